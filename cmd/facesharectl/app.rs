//! The state of a running client: it turns events and intents into effects and log lines. It does
//! no I/O, so tests need no server.

use crate::describe::{Kind, LogLine, describe};
use crate::effect::{Effect, Outcome};
use crate::intent::Intent;
use crate::text;
use entrance_client::api::NumberCode;
use entrance_client::{Closed, Event, SessionView};
use faceshare_api::v1::client_frame::Instruction as Say;
use faceshare_api::v1::follow_me::{Invite, Lock};
use faceshare_api::v1::server_frame::Instruction;
use faceshare_api::v1::{
    ActionSync, Admit, CancelFollow, CancelFollowMe, Deny, FollowMe, FollowOther, Pointer,
    ServerFrame, View, Welcome, action, action_sync, cancel_follow,
};
use std::collections::VecDeque;
use std::time::Duration;

/// How many lines the log keeps.
const LOG_LINES: usize = 500;
/// The keys of actions that this client sends and draws.
pub(crate) const VIEW: &str = "view";
pub(crate) const POINTER: &str = "pointer";
const ZOOM_RANGE: std::ops::RangeInclusive<f64> = 0.25..=8.0;

/// The connection, as the header shows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ConnectionState {
    Connecting,
    Connected,
    Reconnecting { attempt: u32, delay: Duration },
    Closed(Closed),
}

/// Everything that the screen shows.
pub(crate) struct App {
    pub(crate) view: SessionView,
    pub(crate) link: ConnectionState,
    pub(crate) round_trip: Option<Duration>,
    pub(crate) number_code: Option<NumberCode>,
    pub(crate) log: VecDeque<LogLine>,
    /// Whether the newest line of the log says that the connection is lost.
    last_is_reconnecting: bool,
    pub(crate) selected: Option<u64>,
    /// This member's own position.
    pub(crate) place: View,
    pub(crate) confirming_end: bool,
    pub(crate) read_only: bool,
    /// The presenting term that a watcher has already followed.
    followed_term: u32,
    /// The presenting term in which this member last sent its position.
    shown_term: u32,
}

impl App {
    pub(crate) fn new(number_code: Option<NumberCode>, read_only: bool) -> Self {
        Self {
            view: SessionView::default(),
            link: ConnectionState::Connecting,
            round_trip: None,
            number_code,
            log: VecDeque::new(),
            last_is_reconnecting: false,
            selected: None,
            place: View {
                page: 1,
                x: 0.0,
                y: 0.0,
                zoom: 1.0,
                rotation: 0,
            },
            confirming_end: false,
            read_only,
            followed_term: 0,
            shown_term: 0,
        }
    }

    pub(crate) fn note(&mut self, line: LogLine) {
        if self.log.len() == LOG_LINES {
            self.log.pop_front();
        }
        self.log.push_back(line);
        self.last_is_reconnecting = false;
    }

    /// The attempts of one outage share one line, which counts them.
    fn note_reconnecting(&mut self, line: LogLine) {
        if self.last_is_reconnecting {
            self.log.pop_back();
        }
        self.note(line);
        self.last_is_reconnecting = true;
    }

    /// Applies an event of the connection.
    pub(crate) fn on_event(&mut self, event: &Event) -> Vec<Effect> {
        match event {
            Event::Welcome { welcome, .. } => self.welcome(welcome),
            Event::Frame(frame) => self.frame(frame),
            Event::RoundTrip(time) => {
                self.round_trip = Some(*time);
                Vec::new()
            }
            Event::ProtocolViolation(fault) => {
                self.note(LogLine::new(
                    Kind::Warning,
                    format!("the server broke its order: {fault}"),
                ));
                Vec::new()
            }
            Event::Retrying {
                code,
                detail,
                delay,
            } => {
                let text = format!(
                    "the server does not do that now: {detail} ({code}); asking again in {} s",
                    delay.as_secs()
                );
                self.note(LogLine::new(Kind::Warning, text));
                Vec::new()
            }
            Event::Reconnecting {
                attempt,
                delay,
                why,
            } => {
                let text = format!(
                    "connection lost ({why}); attempt {attempt} in {} ms",
                    delay.as_millis()
                );
                self.note_reconnecting(LogLine::new(Kind::Connection, text));
                (self.link, self.round_trip) = (
                    ConnectionState::Reconnecting {
                        attempt: *attempt,
                        delay: *delay,
                    },
                    None,
                );
                Vec::new()
            }
            Event::Closed(closed) => {
                self.note(LogLine::new(Kind::Connection, text::closed(closed)));
                self.link = ConnectionState::Closed(closed.clone());
                Vec::new()
            }
        }
    }

    fn welcome(&mut self, welcome: &Welcome) -> Vec<Effect> {
        self.view.welcome(welcome);
        let attempts = match self.link {
            ConnectionState::Reconnecting { attempt, .. } if attempt > 1 => {
                format!(" after {attempt} attempts")
            }
            _ => String::new(),
        };
        self.link = ConnectionState::Connected;
        let title = &self.view.face_session.title;
        let how = format!(
            "{}{attempts}",
            if welcome.resumed {
                "resumed where it was"
            } else {
                "connected"
            }
        );
        self.note(LogLine::new(
            Kind::Connection,
            if title.is_empty() {
                how
            } else {
                format!("{how}: “{title}”")
            },
        ));
        let mut effects = vec![Effect::FetchCode];
        effects.extend(self.effects_of_follow_change());
        effects
    }

    fn frame(&mut self, frame: &ServerFrame) -> Vec<Effect> {
        if let Some(line) = describe(frame, &self.view).filter(|line| line.kind != Kind::Position) {
            self.note(line);
        }
        self.view.apply(frame);
        if self
            .selected
            .is_some_and(|id| !self.view.members.contains_key(&id))
        {
            self.selected = None;
        }
        match &frame.instruction {
            Some(Instruction::MemberJoin(_) | Instruction::NumberCodeChange(_)) => {
                vec![Effect::FetchCode]
            }
            Some(Instruction::FollowChange(_)) => self.effects_of_follow_change(),
            _ => Vec::new(),
        }
    }

    /// The effects of a change of the follow graph: a watcher follows the presenter, a new
    /// presenter sends its position.
    fn effects_of_follow_change(&mut self) -> Vec<Effect> {
        let Some(presenting) = self.view.presenting else {
            return Vec::new();
        };
        let mine = presenting.member_id == self.view.me;
        if self.read_only && !mine && self.followed_term != presenting.term {
            self.followed_term = presenting.term;
            return vec![follow(presenting.member_id)];
        }
        if mine && self.shown_term != presenting.term {
            self.shown_term = presenting.term;
            return vec![self.send_position()];
        }
        Vec::new()
    }

    /// Applies the outcome of an effect.
    pub(crate) fn on_outcome(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Refused(text) => self.note(LogLine::new(Kind::Warning, text)),
            Outcome::Code(code) => self.number_code = code,
            Outcome::Left => {
                self.link = ConnectionState::Closed(Closed {
                    code: 1000,
                    reason: "left".into(),
                    refusal: None,
                });
            }
        }
    }

    /// Whether the user is the host. False before the first `welcome`.
    pub(crate) fn is_host(&self) -> bool {
        self.view.me != 0 && self.view.face_session.host_id == self.view.me
    }

    /// The effects of an intent.
    pub(crate) fn on_intent(&mut self, intent: Intent) -> Vec<Effect> {
        if self.read_only && !matches!(intent, Intent::Quit | Intent::Select(_) | Intent::Suspend) {
            return Vec::new();
        }
        if intent.is_hosts() && !self.is_host() {
            self.note(LogLine::new(Kind::Warning, "only the host can do that"));
            return Vec::new();
        }
        match intent {
            Intent::Present => vec![Effect::Say(Say::FollowMe(FollowMe::default()))],
            Intent::StopPresenting => vec![Effect::Say(Say::CancelFollowMe(CancelFollowMe {}))],
            Intent::Page(page) => self.move_to(
                View {
                    page,
                    y: 0.0,
                    ..self.current_position()
                },
                cancel_follow::Suspend::Page,
            ),
            Intent::TurnPage(by) => {
                let here = self.current_position();
                let page = here.page.saturating_add_signed(by).max(1);
                self.move_to(
                    View {
                        page,
                        y: 0.0,
                        ..here
                    },
                    cancel_follow::Suspend::Page,
                )
            }
            Intent::Scroll(by) => {
                let here = self.current_position();
                self.move_to(
                    View {
                        y: (here.y + by).clamp(0.0, 1.0),
                        ..here
                    },
                    cancel_follow::Suspend::Scroll,
                )
            }
            Intent::ScrollTo(y) => self.move_to(
                View {
                    y,
                    ..self.current_position()
                },
                cancel_follow::Suspend::Scroll,
            ),
            Intent::Zoom(by) => {
                let here = self.current_position();
                let zoom = (here.zoom * by).clamp(*ZOOM_RANGE.start(), *ZOOM_RANGE.end());
                self.move_to(View { zoom, ..here }, cancel_follow::Suspend::Zoom)
            }
            Intent::Point(x, y) => vec![Effect::Act(
                self.action(POINTER, action_sync::Value::Pointer(Pointer { x, y })),
            )],
            Intent::Select(by) => {
                self.select(by);
                Vec::new()
            }
            Intent::Follow(whom) => self
                .named_or_selected(whom)
                .map(follow)
                .into_iter()
                .collect(),
            Intent::Unfollow => vec![cancel(cancel_follow::Suspend::Unspecified)],
            Intent::Suspend => self.suspend(),
            Intent::Invite(invite) => self.invite(invite),
            Intent::LockFollowing => self.lock(),
            Intent::LockDoor => vec![Effect::LockDoor(!self.view.face_session.locked)],
            Intent::Rotate => vec![Effect::Rotate],
            Intent::Remove(whom) => self
                .named_or_selected(whom)
                .map(Effect::Remove)
                .into_iter()
                .collect(),
            Intent::Admit(knock) => self
                .knock_or_oldest(knock)
                .map(|knock_id| Effect::Say(Say::Admit(Admit { knock_id })))
                .into_iter()
                .collect(),
            Intent::Deny(knock) => self
                .knock_or_oldest(knock)
                .map(|knock_id| Effect::Say(Say::Deny(Deny { knock_id })))
                .into_iter()
                .collect(),
            Intent::End => {
                self.confirming_end = true;
                Vec::new()
            }
            Intent::Confirm(yes) => {
                self.confirming_end = false;
                if yes { vec![Effect::End] } else { Vec::new() }
            }
            Intent::Quit => vec![Effect::Leave],
        }
    }

    /// The position on this member's screen: the root's while it follows, else its own.
    pub(crate) fn current_position(&self) -> View {
        self.view
            .root(self.view.me)
            .and_then(|root| self.position_of(root))
            .unwrap_or(self.place)
    }

    /// The latest position of a member that reached this point.
    pub(crate) fn position_of(&self, id: u64) -> Option<View> {
        if id == self.view.me {
            return Some(self.place);
        }
        match self.view.action(id, VIEW)?.value {
            Some(action::Value::View(view)) => Some(View {
                zoom: if view.zoom > 0.0 { view.zoom } else { 1.0 },
                ..view
            }),
            _ => None,
        }
    }

    /// A member that moves while it follows pauses following.
    fn move_to(&mut self, place: View, why: cancel_follow::Suspend) -> Vec<Effect> {
        let follows = self.view.root(self.view.me).is_some();
        self.place = place;
        let pause = follows.then(|| cancel(why));
        pause.into_iter().chain([self.send_position()]).collect()
    }

    fn send_position(&self) -> Effect {
        Effect::Act(self.action(VIEW, action_sync::Value::View(self.place)))
    }

    fn action(&self, key: &str, value: action_sync::Value) -> ActionSync {
        let term = self
            .view
            .presenting
            .filter(|presenting| presenting.member_id == self.view.me)
            .map_or(0, |presenting| presenting.term);
        ActionSync {
            file_id: 0,
            key: key.into(),
            term,
            value: Some(value),
        }
    }

    fn select(&mut self, by: isize) {
        let roster: Vec<u64> = self
            .view
            .roster()
            .iter()
            .map(|member| member.member_id)
            .collect();
        let at = self
            .selected
            .and_then(|id| roster.iter().position(|other| *other == id));
        let next = at.map_or(0, |at| {
            at.saturating_add_signed(by)
                .min(roster.len().saturating_sub(1))
        });
        self.selected = roster.get(next).copied();
    }

    /// The member that the command names, else the selected one, else the presenter.
    fn named_or_selected(&mut self, whom: Option<u64>) -> Option<u64> {
        let picked = whom
            .or(self.selected)
            .or(self.view.presenting.map(|presenting| presenting.member_id));
        if picked.is_none() {
            self.note(LogLine::new(Kind::Warning, "no member is selected (j, k)"));
        }
        picked
    }

    /// The knock that the command names, else the oldest.
    fn knock_or_oldest(&mut self, knock: Option<u64>) -> Option<u64> {
        let knock = knock.or_else(|| self.view.knocks.keys().next().copied());
        if knock.is_none() {
            self.note(LogLine::new(Kind::Warning, "no one waits at the door"));
        }
        knock
    }

    fn suspend(&mut self) -> Vec<Effect> {
        match self.view.edge(self.view.me) {
            Some(edge) if edge.suspended => vec![follow(edge.target)],
            Some(_) => {
                self.place = self.current_position();
                vec![cancel(cancel_follow::Suspend::Other), self.send_position()]
            }
            None => {
                self.note(LogLine::new(Kind::Warning, "you follow no one"));
                Vec::new()
            }
        }
    }

    fn invite(&mut self, invite: Option<Invite>) -> Vec<Effect> {
        let now = self
            .view
            .presenting
            .map_or(Invite::Off as i32, |presenting| presenting.invite);
        let invite = invite.unwrap_or(match now {
            now if now == Invite::Ask as i32 => Invite::On,
            now if now == Invite::On as i32 => Invite::Off,
            _ => Invite::Ask,
        });
        vec![Effect::Say(Say::FollowMe(FollowMe {
            invite: invite.into(),
            lock: Lock::None.into(),
            presenter: 0,
        }))]
    }

    fn lock(&self) -> Vec<Effect> {
        let locked = self
            .view
            .presenting
            .is_some_and(|presenting| presenting.lock == Lock::Hard as i32);
        let lock = if locked { Lock::None } else { Lock::Hard };
        let presenter = self
            .view
            .presenting
            .map_or(0, |presenting| presenting.member_id);
        vec![Effect::Say(Say::FollowMe(FollowMe {
            invite: Invite::On.into(),
            lock: lock.into(),
            presenter,
        }))]
    }
}

fn follow(target: u64) -> Effect {
    Effect::Say(Say::FollowOther(FollowOther { target }))
}

fn cancel(suspend: cancel_follow::Suspend) -> Effect {
    Effect::Say(Say::CancelFollow(CancelFollow {
        suspend: suspend.into(),
    }))
}

#[cfg(test)]
pub(crate) mod tests;
