//! A session to try things on: people by name, time that moves when told, and every entry checked
//! and applied as it comes.

use super::invariants;
use crate::{Arrival, Entry, Genesis, Input, Reject, Rules, State, Step, Via, apply, step};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::facesession::{Admission, HostLeft};
use faceshare_biz::domain::instruction::{
    Command, Device, Edge, EdgeReason, Epoch, Event, Invite, Lock, Member, Origin, Profile, Suspend,
};
use faceshare_biz::domain::{KnockId, MemberId, Nickname, PointId, SessionId, Timestamp, Title};
use std::time::Duration;

/// The people of all tests; the first is the host.
pub(super) const NAMES: [&str; 8] = ["ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal"];

/// One second.
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// The id of the account with this name.
pub(super) fn id(name: &str) -> MemberId {
    let number = NAMES.iter().position(|n| *n == name).expect("a known name") + 1;
    MemberId::new(number as u64).expect("an id")
}

/// The name of the account with this id.
pub(super) fn name(id: MemberId) -> &'static str {
    NAMES[usize::try_from(id.get()).expect("small") - 1]
}

/// The `n`th point of an account, from 1.
pub(super) fn point(name: &str, n: u64) -> PointId {
    PointId::new(id(name).get() * 100 + n).expect("an id")
}

/// The profile of an account; every third is a guest.
pub(super) fn profile(name: &str) -> Profile {
    let id = id(name);
    Profile {
        id,
        nickname: Nickname::new(name, 32).expect("a nickname"),
        avatar_url: Box::default(),
        guest: id.get().is_multiple_of(3),
    }
}

/// A device.
pub(super) fn device(name: &str) -> Device {
    Device {
        name: name.into(),
        kind: "phone".into(),
    }
}

/// An open session of `ann`'s.
pub(super) fn genesis() -> Genesis {
    Genesis {
        id: SessionId::new(900).expect("an id"),
        title: Title::new("Talk", 100).expect("a title"),
        host: profile("ann"),
        admission: Admission::Open,
        host_left: HostLeft::Countdown,
        max_members: 500,
        auto_end_after: None,
        epoch: Epoch::new("first").expect("an epoch"),
        point: point("ann", 1),
        device: device("ann 1"),
    }
}

/// The input that seats an account.
pub(super) fn seat(name: &str, n: u64, via: Via) -> Input {
    Input::Seat {
        profile: profile(name),
        point: point(name, n),
        device: Some(device(&format!("{name} {n}"))),
        via,
    }
}

/// The input of an account that knocks.
pub(super) fn knock(name: &str, n: u64) -> KnockId {
    KnockId::new(id(name).get() * 1_000 + n).expect("an id")
}

/// Comes by code, from the address of this number.
pub(super) fn arrival(name: &str, n: u64, origin: u64) -> Arrival {
    let (profile, point, device) = (
        profile(name),
        point(name, n),
        Some(device(&format!("{name} {n}"))),
    );
    Arrival {
        profile,
        point,
        device,
        via: Via::Code,
        approval: false,
        knock: knock(name, n),
        origin: Some(Origin(origin)),
    }
}

/// Comes by code.
pub(super) fn arrive(name: &str, n: u64) -> Input {
    Input::Arrive(Box::new(arrival(name, n, id(name).get())))
}

/// `followMe` by oneself.
pub(super) const fn follow_me(invite: Invite, lock: Lock) -> Command {
    Command::FollowMe {
        invite,
        lock,
        presenter: None,
    }
}

/// `followMe` that names a presenter.
pub(super) fn follow_them(presenter: &str, invite: Invite, lock: Lock) -> Command {
    Command::FollowMe {
        invite,
        lock,
        presenter: Some(id(presenter)),
    }
}

/// `followOther`.
pub(super) fn follow(target: &str) -> Command {
    Command::FollowOther {
        target: Some(id(target)),
    }
}

/// `cancelFollow` that stops.
pub(super) const STOP: Command = Command::CancelFollow { suspend: None };

/// `cancelFollow` that pauses.
pub(super) const PAUSE: Command = Command::CancelFollow {
    suspend: Some(Suspend::Scroll),
};

/// A session under test.
pub(super) struct World {
    pub(super) state: State,
    pub(super) rules: Rules,
    pub(super) now: Timestamp,
    incarnation: u64,
}

impl World {
    /// The session of `ann`, without members present.
    pub(super) fn new() -> Self {
        Self::of(genesis())
    }

    /// A session that begins so.
    pub(super) fn of(genesis: Genesis) -> Self {
        let (rules, now) = (Rules::default(), Timestamp::from_millis(1_000_000_000));
        Self {
            state: State::open(genesis, now + rules.seat, now),
            rules,
            now,
            incarnation: 0,
        }
    }

    /// `ann`'s session with these people in it, joined in this order.
    pub(super) fn with(names: &[&str]) -> Self {
        Self::new().joined(names)
    }

    /// The same with these people in it, joined in this order, a second after one another.
    pub(super) fn joined(mut self, names: &[&str]) -> Self {
        for name in names {
            self.join(name);
            self.wait(SECOND);
        }
        self
    }

    /// Puts something in: an entry is checked and applied; a refusal must leave no trace, which
    /// `step` cannot.
    pub(super) fn put(&mut self, input: Input) -> Result<Step, Reject> {
        let outcome = step(&self.state, &self.rules, self.now, input)?;
        if let Step::Entry(entry) = &outcome {
            let before = self.state.clone();
            apply(&mut self.state, entry);
            invariants::check(&before, entry, &self.state).expect("every invariant");
        }
        Ok(outcome)
    }

    /// Puts in something that must lead to an entry.
    pub(super) fn does(&mut self, input: Input) -> Entry {
        match self.put(input.clone()) {
            Ok(Step::Entry(entry)) => entry,
            other => panic!("{input:?} led to {other:?}"),
        }
    }

    /// Puts in something that must be refused, and says with which code.
    pub(super) fn refuses(&mut self, input: Input) -> ErrorCode {
        match self.put(input.clone()) {
            Err(reject) => reject.code,
            other => panic!("{input:?} led to {other:?}"),
        }
    }

    /// A member sends a command from its first point.
    pub(super) fn said(name: &str, nonce: u64, command: Command) -> Input {
        Input::Command {
            member: id(name),
            point: point(name, 1),
            nonce,
            command,
        }
    }

    /// Sends a command that must make an entry.
    pub(super) fn say(&mut self, name: &str, command: Command) -> Entry {
        self.does(Self::said(name, 0, command))
    }

    /// Sends a command that must be refused.
    pub(super) fn refused(&mut self, name: &str, command: Command) -> ErrorCode {
        self.refuses(Self::said(name, 0, command))
    }

    /// Sends a command that must change nothing.
    pub(super) fn changes_nothing(&mut self, name: &str, command: Command) {
        assert_eq!(self.put(Self::said(name, 0, command)), Ok(Step::Unchanged));
    }

    /// Admits an account by code and connects its first point.
    pub(super) fn join(&mut self, name: &str) -> Entry {
        if name != "ann" {
            self.does(seat(name, 1, Via::Code));
        }
        self.connect(name, 1)
    }

    /// Connects a point with a new incarnation; this must make an entry.
    pub(super) fn connect(&mut self, name: &str, n: u64) -> Entry {
        let input = self.connecting(name, n);
        self.does(input)
    }

    /// The input for a point that connects with a new incarnation.
    pub(super) fn connecting(&mut self, name: &str, n: u64) -> Input {
        self.incarnation += 1;
        Input::Connect {
            member: id(name),
            point: point(name, n),
            incarnation: self.incarnation,
        }
    }

    /// The input for the loss of a point's present connection.
    pub(super) fn losing(&self, name: &str, n: u64) -> Input {
        let point = point(name, n);
        let holder = self
            .state
            .presence(id(name))
            .and_then(|p| p.points.get(&point));
        Input::PointLost {
            point,
            incarnation: holder.map_or(0, |p| p.incarnation),
        }
    }

    /// Loses a point's present connection.
    pub(super) fn lose(&mut self, name: &str, n: u64) -> Entry {
        let input = self.losing(name, n);
        self.does(input)
    }

    /// Lets time pass: each deadline is met when it comes, and what came of it is returned.
    pub(super) fn wait(&mut self, span: Duration) -> Vec<Entry> {
        let until = self.now + span;
        let mut entries = Vec::new();
        while let Some(deadline) = self
            .state
            .next_deadline(&self.rules)
            .filter(|d| *d <= until)
        {
            self.now = self.now.max(deadline);
            let came = self.run_due();
            assert!(!came.is_empty(), "a deadline that came led to nothing");
            entries.extend(came);
        }
        self.now = until;
        assert_eq!(self.run_due(), [], "something was due without a deadline");
        entries
    }

    /// Moves the time without firing deadlines, then fires them.
    pub(super) fn sleep(&mut self, span: Duration) -> Vec<Entry> {
        self.now = self.now + span;
        self.run_due()
    }

    fn run_due(&mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        while !self.state.is_ended() {
            match self.put(Input::Due) {
                Ok(Step::Entry(entry)) => entries.push(entry),
                Ok(Step::Unchanged) => break,
                other => panic!("a deadline led to {other:?}"),
            }
            assert!(entries.len() < 1_000, "deadlines without end");
        }
        entries
    }

    /// A member as it is announced.
    pub(super) fn member(&self, name: &str) -> Member {
        self.state.member(id(name)).expect("a member")
    }

    /// Whether an account is a member.
    pub(super) fn has(&self, name: &str) -> bool {
        self.state.presence(id(name)).is_some()
    }

    /// The member that a member follows, and why, as it is announced.
    pub(super) fn edge(&self, name: &str) -> Option<Seen> {
        self.member(name).follow.map(Seen::from)
    }

    /// The root of a member.
    pub(super) fn root(&self, name: &str) -> Option<&'static str> {
        self.edge(name).and_then(|e| e.root)
    }

    /// Who presents, and in which term.
    pub(super) fn presenter(&self) -> Option<(&'static str, u32)> {
        self.state.presenting().map(|p| (name(p.member), p.term))
    }
}

/// An edge with names for ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) target: Option<&'static str>,
    pub(super) root: Option<&'static str>,
    pub(super) suspended: bool,
    pub(super) reason: EdgeReason,
}

impl From<Edge> for Seen {
    fn from(edge: Edge) -> Self {
        Self {
            target: edge.target.map(name),
            root: edge.root.map(name),
            suspended: edge.suspended,
            reason: edge.reason,
        }
    }
}

/// An edge that is not paused.
pub(super) fn to(target: &'static str, root: &'static str, reason: EdgeReason) -> Seen {
    Seen {
        target: Some(target),
        root: Some(root),
        suspended: false,
        reason,
    }
}

/// No edge any more.
pub(super) fn without_target(reason: EdgeReason) -> Seen {
    Seen {
        target: None,
        root: None,
        suspended: false,
        reason,
    }
}

/// The edges that an entry tells of, by member.
pub(super) fn told_edges(entry: &Entry) -> Vec<(&'static str, Seen)> {
    let edges = entry.events.iter().filter_map(|event| match event {
        Event::FollowChange { edges, .. } => Some(edges),
        _ => None,
    });
    edges
        .flatten()
        .map(|edge| (name(edge.member), Seen::from(*edge)))
        .collect()
}

/// The names of an entry's frames, in order.
pub(super) fn frames(entry: &Entry) -> Vec<&'static str> {
    entry.events.iter().map(frame_name).collect()
}

/// The names of the frames of several entries, in order.
pub(super) fn all_frames(entries: &[Entry]) -> Vec<&'static str> {
    entries.iter().flat_map(frames).collect()
}

fn frame_name(event: &Event) -> &'static str {
    match event {
        Event::MemberJoin(_) => "memberJoin",
        Event::MemberChange(_) => "memberChange",
        Event::Quit { .. } => "quit",
        Event::HttpQuit { .. } => "httpQuit",
        Event::FollowMe { .. } => "followMe",
        Event::CancelFollowMe => "cancelFollowMe",
        Event::FollowOther { .. } => "followOther",
        Event::CancelFollow { .. } => "cancelFollow",
        Event::FollowChange { .. } => "followChange",
        Event::SessionAutoEnd(_) => "sessionAutoEnd",
        Event::CancelAutoEnd => "cancelAutoEnd",
        Event::SessEnd { .. } => "sessEnd",
        Event::SessionChange(_) => "sessionChange",
    }
}
