//! A session to which a story happens, those who watch it, and what must hold whatever happens.

use crate::client::Client;
use crate::frames;
use crate::story::{self, BEGINNING, Happening, PEOPLE, Setting};
use crate::{truths, wire};
use faceshare_biz::domain::instruction::{
    Action, ActionKey, ActionValue, Command, Epoch, Notice, ServerFrame,
};
use faceshare_biz::domain::{KnockId, MemberId, PointId, Timestamp};
use faceshare_exec::{
    ActionTable, ActionVerdict, Arrival, Entry, Input, KnockAnswer, Reject, Rules, State, Step,
    Via, apply, step,
};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::VecDeque;
use std::time::Duration;

/// Watchers at the same time; a new one takes the place of the oldest.
const WATCHERS: usize = 3;
/// Keys of positions that a sender may use.
const KEYS: usize = 4;

/// Lets a story happen. Panics where something does not hold.
pub fn run(story: &[u8]) {
    let (setting, happenings) = story::read(story);
    let mut session = Session::open(setting);
    for happening in happenings {
        session.happen(happening);
    }
}

/// A client, and a replica that reads the log.
struct Watcher {
    client: Client,
    replica: State,
}

struct Session {
    state: State,
    rules: Rules,
    now: Timestamp,
    positions: ActionTable,
    watchers: VecDeque<Watcher>,
    incarnation: u64,
    epochs: u32,
    knocks: u64,
}

impl Session {
    fn open(
        Setting {
            genesis,
            rules,
            crowd,
        }: Setting,
    ) -> Self {
        let state = State::open(genesis, BEGINNING + rules.seat, BEGINNING);
        let (positions, watchers) = (ActionTable::default(), VecDeque::new());
        let mut session = Self {
            state,
            rules,
            now: BEGINNING,
            positions,
            watchers,
            incarnation: 0,
            epochs: 0,
            knocks: 0,
        };
        session.watch();
        for who in 0..crowd.min(PEOPLE) {
            session.happen(Happening::Comes(
                story::profile(who, false),
                story::point(who, 0),
            ));
        }
        session
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Says(member, point, nonce, command) => self.put(Input::Command {
                member,
                point,
                nonce,
                command,
            }),
            Happening::Position(from, age, place) => self.position(from, age, place),
            Happening::Seat(profile, point, device, via) => self.put(Input::Seat {
                profile,
                point,
                device,
                via,
            }),
            Happening::Comes(profile, point) => {
                let (member, device) = (profile.id, Some(story::device(0, 1)));
                self.put(Input::Seat {
                    profile,
                    point,
                    device,
                    via: Via::Code,
                });
                self.connect(member, point);
            }
            Happening::Connects(member, point) => self.connect(member, point),
            Happening::Loses(point) => self.put(Input::PointLost {
                point,
                incarnation: self.holder(point),
            }),
            Happening::StaleLoss(point) => self.lose_a_replaced_connection(point),
            Happening::Restart(rules) => self.restart(rules),
            Happening::Patch(by, patch) => self.put(Input::Patch { by, patch }),
            Happening::HttpQuit(member) => self.put(Input::HttpQuit { member }),
            Happening::Removes(by, member) => self.put(Input::Remove { by, member }),
            Happening::End(by) => self.put(Input::End { by }),
            Happening::NewEpoch => {
                self.epochs += 1;
                self.put(Input::NewEpoch {
                    epoch: Epoch::new(&format!("e{}", self.epochs)).expect("an epoch"),
                });
            }
            Happening::Waits(span) => self.wait(span),
            Happening::Sleeps(span) => {
                self.now = self.now + span;
                self.run_due();
            }
            Happening::ClockGoesBack(span) => self.now = self.now - span,
            Happening::Watch => self.watch(),
            Happening::Knocks(profile, point, approval, via, origin) => {
                self.knocks += 1;
                let knock = KnockId::new(self.knocks).expect("an id");
                self.put(Input::Arrive(Box::new(Arrival {
                    profile,
                    point,
                    device: None,
                    via,
                    approval,
                    knock,
                    origin,
                })));
            }
            Happening::Answers {
                by,
                back,
                answer,
                nonce,
            } => self.answer(by, self.knocks.saturating_sub(back), answer, nonce),
        }
    }

    /// Puts something in: what is refused leaves no trace, what is accepted keeps every promise.
    fn put(&mut self, input: Input) {
        let before = self.state.clone();
        let outcome = step(&self.state, &self.rules, self.now, input.clone());
        assert_eq!(
            outcome,
            step(&before, &self.rules, self.now, input.clone()),
            "the same input led to something else"
        );
        assert_eq!(self.state, before, "step changed the state");
        match outcome {
            Ok(Step::Entry(entry)) => {
                self.commit(&before, &entry);
                self.repeat(&before, &entry, input);
            }
            Ok(Step::Repeated(_) | Step::Unchanged) => {}
            Err(Reject { detail, .. }) => frames::check_detail(&detail),
        }
    }

    fn commit(&mut self, before: &State, entry: &Entry) {
        apply(&mut self.state, entry);
        truths::check(before, entry, &self.state, &self.rules);
        let new_order = self.state.epoch() != before.epoch();
        let told: Vec<_> = wire::frames(entry, before.seq().plus(1)).collect();
        let logged: Entry = through_the_log(entry);
        let newcomer = Client::newcomer(&self.state);
        for watcher in &mut self.watchers {
            apply(&mut watcher.replica, &logged);
            assert_eq!(watcher.replica, self.state, "replay gives another state");
            if new_order {
                watcher.client = newcomer.clone();
                continue;
            }
            told.iter().for_each(|frame| watcher.client.take(frame));
            watcher.client.agrees_with(&newcomer);
        }
    }

    /// A command with a nonce takes effect once.
    fn repeat(&self, before: &State, entry: &Entry, input: Input) {
        let wants_once =
            matches!(input, Input::Command { nonce: 1.., .. }) && !entry.events.is_empty();
        if wants_once && !self.state.is_ended() {
            let again = step(&self.state, &self.rules, self.now, input);
            assert_eq!(again, Ok(Step::Repeated(before.seq().plus(1))), "a repeat");
        }
    }

    fn answer(
        &mut self,
        by: Option<MemberId>,
        number: u64,
        answer: KnockAnswer,
        nonce: Option<u64>,
    ) {
        let by = by.unwrap_or_else(|| self.state.host());
        let point = self
            .state
            .present()
            .find(|(id, _)| *id == by)
            .and_then(|(_, p)| p.points.keys().next().copied());
        match (nonce, point, KnockId::new(number), answer) {
            (Some(nonce), Some(point), knock, KnockAnswer::Admit) => {
                self.put(Input::Command {
                    member: by,
                    point,
                    nonce,
                    command: Command::Admit { knock },
                });
            }
            (Some(nonce), Some(point), knock, KnockAnswer::Deny) => {
                self.put(Input::Command {
                    member: by,
                    point,
                    nonce,
                    command: Command::Deny { knock },
                });
            }
            (_, _, Some(knock), answer) => self.put(Input::AnswerKnock { by, knock, answer }),
            (_, _, None, _) => {}
        }
    }

    fn connect(&mut self, member: MemberId, point: PointId) {
        self.incarnation += 1;
        self.put(Input::Connect {
            member,
            point,
            incarnation: self.incarnation,
        });
    }

    /// Which connection holds a point; 0: none.
    fn holder(&self, point: PointId) -> u64 {
        self.state
            .present()
            .find_map(|(_, p)| p.points.get(&point))
            .map_or(0, |p| p.incarnation)
    }

    fn lose_a_replaced_connection(&mut self, point: PointId) {
        let index = self.state.index();
        self.put(Input::PointLost {
            point,
            incarnation: self.holder(point).wrapping_sub(1),
        });
        assert_eq!(self.state.index(), index, "a stale loss had an effect");
    }

    /// The process starts anew, on what is in the log, perhaps with another configuration.
    fn restart(&mut self, rules: Rules) {
        self.state = through_the_log(&self.state);
        self.positions = ActionTable::default();
        self.rules = rules;
        self.put(Input::Restart);
    }

    fn watch(&mut self) {
        if self.watchers.len() == WATCHERS {
            self.watchers.pop_front();
        }
        self.watchers.push_back(Watcher {
            client: Client::welcome(&self.state),
            replica: through_the_log(&self.state),
        });
    }

    /// Lets time pass and meets each deadline when it comes.
    fn wait(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(deadline) = self
            .state
            .next_deadline(&self.rules)
            .filter(|d| *d <= until)
        {
            self.now = self.now.max(deadline);
            assert!(self.run_due(), "a deadline that came led to nothing");
        }
        self.now = until;
        assert!(
            !self.run_due(),
            "something was due that no deadline spoke of"
        );
    }

    /// Carries out what is due until nothing is; whether anything was.
    fn run_due(&mut self) -> bool {
        let (start, most) = (self.state.index(), self.state.most_firings() as u64);
        loop {
            let index = self.state.index();
            self.put(Input::Due);
            assert!(index - start <= most, "deadlines without end");
            if self.state.index() == index {
                let next = self.state.next_deadline(&self.rules);
                assert!(
                    next.is_none_or(|at| at > self.now.max(self.state.last_at())),
                    "a deadline stays in the past"
                );
                return index > start;
            }
        }
    }

    /// A position is kept and goes out unless it speaks in a term that is over.
    fn position(&mut self, from: MemberId, age: u32, place: u8) {
        let term = self
            .state
            .presenting()
            .map_or(0, |p| p.term)
            .saturating_sub(age);
        let key = ActionKey::new(
            ["", "view", "pointer", "ink", "one", "two"][usize::from(place % 6)],
            32,
        )
        .expect("a key");
        // Parts of 256 are written and read exactly; one place is beyond the page.
        let value = ActionValue::Pointer {
            x: f64::from(place) / 256.0,
            y: if place == 255 { 1.5 } else { 0.5 },
        };
        let action = Action {
            file: None,
            key,
            term,
            value,
            size: 20,
        };
        let speaks_now = term == 0
            || self
                .state
                .presenting()
                .is_some_and(|p| p.member == from && p.term == term);
        match self.positions.accept(&self.state, from, &action, KEYS) {
            Ok(ActionVerdict::Deliver) => {
                let kept = self
                    .positions
                    .latest_of(&self.state, from, &action.key)
                    .expect("what goes out is kept");
                assert!(
                    speaks_now && kept.action == action && kept.from == from,
                    "{kept:?} was kept of {action:?}"
                );
                wire::told(&ServerFrame::notice(self.now, Notice::ActionSync(kept)));
            }
            Ok(ActionVerdict::Dropped) => assert!(!speaks_now, "{action:?} was dropped"),
            Err(Reject { detail, .. }) => frames::check_detail(&detail),
        }
        assert!(
            self.positions.latest(&self.state, from).len() <= KEYS,
            "too many keys of {from}"
        );
    }
}

/// Written and read like the records of the log.
fn through_the_log<T: Serialize + DeserializeOwned>(value: &T) -> T {
    rmp_serde::from_slice(&rmp_serde::to_vec_named(value).expect("it can be written"))
        .expect("it can be read")
}
