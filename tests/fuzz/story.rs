//! Reads bytes as a story: the setup of a session, and operations on it.
//!
//! The first four bytes are the setup, every four after them one operation: `[what, who, a, b]`,
//! each taken modulo the number of choices. Every string of bytes is a story, and one that is cut,
//! spliced or changed in a byte stays mostly the same story, as a fuzzer needs it.

use faceshare_biz::domain::facesession::{Admission, HostLeft};
use faceshare_biz::domain::instruction::{
    Command, Device, Epoch, Invite, Lock, Origin, Profile, Suspend,
};
use faceshare_biz::domain::{KnockId, MemberId, Nickname, PointId, SessionId, Timestamp, Title};
use faceshare_exec::{Genesis, KnockAnswer, Patch, Rules, Via};
use std::time::Duration;

/// Bytes of the setup, and of each operation.
pub const RECORD: usize = 4;

/// The longest story in operations; the rest is ignored, so that no story takes long.
pub const LONGEST: usize = 250;

/// The number of people; the first is the host. Commands may name one more, who never joins.
pub const PEOPLE: u8 = 8;

/// The kinds of operations, by their first byte; one that is listed twice is twice as likely.
/// Append new ones at the end, so that the stories of the corpus stay the same.
pub const KINDS: [Kind; 36] = {
    use Kind::*;
    [
        FollowOther,
        Comes,
        FollowMe,
        CancelFollow,
        Waits,
        Loses,
        Connects,
        Seat, // each kind once ...
        Quit,
        CancelFollowMe,
        CancelAutoEnd,
        PointState,
        Position,
        Beyond,
        HttpQuit,
        Removes, //
        Patch,
        Renames,
        StaleLoss,
        Restart,
        NewEpoch,
        End,
        Sleeps,
        ClockGoesBack, //
        Watch,
        FollowOther,
        FollowOther,
        FollowMe,
        Comes,
        CancelFollow,
        Waits,
        Loses, // ... and some again
        Knocks,
        Answers,
        Knocks,
        Answers,
    ]
};

/// A kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the operation of its name")]
pub enum Kind {
    FollowOther,
    Comes,
    FollowMe,
    CancelFollow,
    Waits,
    Loses,
    Connects,
    Seat,
    Quit,
    CancelFollowMe,
    CancelAutoEnd,
    PointState,
    Position,
    Beyond,
    HttpQuit,
    Removes,
    Patch,
    Renames,
    StaleLoss,
    Restart,
    NewEpoch,
    End,
    Sleeps,
    ClockGoesBack,
    Watch,
    Knocks,
    Answers,
}

/// One operation on a session.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// A command from a point, with a nonce.
    Says(MemberId, PointId, u64, Command),
    /// A position: its sender, how many presenting terms ago it was sent, and the number of its key
    /// and coordinates.
    Position(MemberId, u32, u8),
    Seat(Profile, PointId, Option<Device>, Via),
    /// Joins by number code and connects.
    Comes(Profile, PointId),
    Connects(MemberId, PointId),
    Loses(PointId),
    StaleLoss(PointId),
    /// The process restarts with these rules.
    Restart(Rules),
    Patch(MemberId, Patch),
    HttpQuit(MemberId),
    Removes(MemberId, MemberId),
    End(Option<MemberId>),
    NewEpoch,
    /// Time passes, and each deadline is met in time.
    Waits(Duration),
    /// Time passes, and deadlines are only checked at the end.
    Sleeps(Duration),
    ClockGoesBack(Duration),
    /// A client and a replica join.
    Watch,
    /// Joins by a code or an invite, and knocks if approval is needed; the knock gets the next
    /// number.
    Knocks(Profile, PointId, bool, Via, Option<Origin>),
    /// Answers one of the latest knocks, as the host or as another member, over HTTP or, with a
    /// nonce, in the stream.
    Answers {
        by: Option<MemberId>,
        back: u64,
        answer: KnockAnswer,
        nonce: Option<u64>,
    },
}

/// The setup of a session.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) genesis: Genesis,
    pub(crate) rules: Rules,
    /// Members at the start.
    pub(crate) crowd: u8,
}

/// The time at which every session begins.
pub(crate) const BEGINNING: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Durations in milliseconds: those of the rules, and others.
const SPANS: [u64; 16] = [
    0, 1, 500, 1_000, 2_000, 5_000, 10_000, 28_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    3_600_000, 86_400_000, 9,
];

pub(crate) fn read(story: &[u8]) -> (Setup, impl Iterator<Item = Operation>) {
    let (setup, operations) = story.split_at_checked(RECORD).unwrap_or_default();
    let records = operations.chunks_exact(RECORD).take(LONGEST);
    (
        self::setup(setup),
        records.map(|r| operation(r[0], r[1], r[2], r[3])),
    )
}

fn setup(bytes: &[u8]) -> Setup {
    let at = |n: usize| bytes.get(n).copied().unwrap_or(0);
    let minutes = pick(&[None, None, Some(1), Some(5), Some(7), Some(60)], at(1));
    let genesis = Genesis {
        id: SessionId::new(900).expect("an id"),
        title: Title::new("Talk", 100).expect("a title"),
        host: profile(0, at(0) & 8 != 0),
        admission: Admission::Open,
        host_left: if at(0) & 1 == 0 {
            HostLeft::Countdown
        } else {
            HostLeft::Promote
        },
        max_members: pick(&[500, 2, 3, 4, 1], at(0) >> 4),
        auto_end_after: minutes.map(|m: u64| Duration::from_secs(m * 60)),
        epoch: Epoch::new("first").expect("an epoch"),
        point: point(0, 0),
        device: device(0, 0),
    };
    Setup {
        genesis,
        rules: rules(at(2)),
        crowd: at(3) % (PEOPLE + 1),
    }
}

fn operation(what: u8, who: u8, a: u8, b: u8) -> Operation {
    let says = |command| Operation::Says(member(who), point(who, b), u64::from(b >> 4), command);
    match pick(&KINDS, what) {
        Kind::FollowOther => says(Command::FollowOther { target: named(a) }),
        Kind::FollowMe => says(follow_me(a, b)),
        Kind::CancelFollow => says(Command::CancelFollow {
            suspend: pick(&[Some(Suspend::Scroll), None, Some(Suspend::File)], a),
        }),
        Kind::Quit => says(Command::Quit),
        Kind::CancelFollowMe => says(Command::CancelFollowMe),
        Kind::CancelAutoEnd => says(Command::CancelAutoEnd),
        Kind::PointState => says(Command::PointState {
            background: a & 1 == 0,
        }),
        Kind::Beyond => says(beyond(a)),
        Kind::Position => Operation::Position(member(who), u32::from(a % 3), b),
        Kind::Comes => Operation::Comes(profile(who, false), point(who, a)),
        Kind::Seat => Operation::Seat(
            profile(who, false),
            point(who, a),
            (b & 1 == 0).then(|| device(who, b)),
            via(b >> 1),
        ),
        Kind::Renames => Operation::Seat(profile(who, true), point(who, a), None, Via::Token),
        Kind::Connects => Operation::Connects(member(who), point(who, a)),
        Kind::Loses => Operation::Loses(point(who, a)),
        Kind::StaleLoss => Operation::StaleLoss(point(who, a)),
        Kind::Restart => Operation::Restart(rules(a)),
        Kind::Patch => Operation::Patch(member(if b & 7 == 7 { who } else { 0 }), patch(a, b)),
        Kind::HttpQuit => Operation::HttpQuit(member(who)),
        Kind::Removes => Operation::Removes(member(if b & 3 == 3 { a } else { 0 }), member(who)),
        // Rarely: nothing much happens afterwards.
        Kind::End if a & 7 == 7 => Operation::End((b & 1 == 0).then(|| member(who))),
        Kind::End | Kind::Watch => Operation::Watch,
        Kind::NewEpoch => Operation::NewEpoch,
        Kind::Waits => Operation::Waits(span(a, b)),
        Kind::Sleeps => Operation::Sleeps(span(a, b)),
        Kind::ClockGoesBack => Operation::ClockGoesBack(span(a % 8, b)),
        Kind::Knocks => {
            let origin = pick(&[None, Some(Origin(1)), Some(Origin(2))], a);
            Operation::Knocks(
                profile(who, false),
                point(who, a),
                b & 1 == 0,
                pick(&[Via::Code, Via::Invite], b >> 1),
                origin,
            )
        }
        Kind::Answers => Operation::Answers {
            by: (b & 7 == 7).then(|| member(who)),
            back: u64::from(a >> 1) % 8,
            answer: pick(&[KnockAnswer::Admit, KnockAnswer::Deny], a),
            nonce: (b & 8 == 0).then_some(u64::from(b >> 4)),
        },
    }
}

fn pick<T: Clone>(choices: &[T], n: u8) -> T {
    choices[usize::from(n) % choices.len()].clone()
}

/// One of [`SPANS`], or slightly less or more.
fn span(a: u8, b: u8) -> Duration {
    let millis = pick(&SPANS, a);
    Duration::from_millis(pick(
        &[
            millis,
            millis + 1,
            millis.saturating_sub(1),
            millis + u64::from(b),
        ],
        b,
    ))
}

pub(crate) fn member(n: u8) -> MemberId {
    MemberId::new(u64::from(n % PEOPLE) + 1).expect("an id")
}

/// One of the people, the id of a person who never joins, or `None`.
fn named(n: u8) -> Option<MemberId> {
    match n % (PEOPLE + 2) {
        PEOPLE => MemberId::new(i64::MAX.unsigned_abs()),
        n if n > PEOPLE => None,
        n => Some(member(n)),
    }
}

/// The points of a person: more than may be connected at once, and more than are remembered.
pub(crate) fn point(who: u8, n: u8) -> PointId {
    PointId::new(
        member(who).get() * 100 + u64::from(n & 0b1111) % 13 + u64::from(n & 0b1000_0000) / 8,
    )
    .expect("an id")
}

pub(crate) fn device(who: u8, n: u8) -> Device {
    Device {
        name: pick(&["", "phone", "Änne's ☎", "a \"quoted\" \\ name"], n).into(),
        kind: pick(&["phone", "laptop"], who).into(),
    }
}

/// The profile of a person. Every third person is a guest; with `other` the nickname, the picture
/// and this are different.
pub(crate) fn profile(n: u8, other: bool) -> Profile {
    let id = member(n);
    let nickname = pick(
        &["ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal"],
        n % PEOPLE,
    );
    Profile {
        id,
        nickname: Nickname::new(if other { "other name" } else { nickname }, 32)
            .expect("a nickname"),
        avatar_url: if other {
            "/a/b?c=\"d\"".into()
        } else {
            Box::default()
        },
        guest: id.get().is_multiple_of(3) != other,
    }
}

fn via(n: u8) -> Via {
    pick(&[Via::Code, Via::Token, Via::Invite], n)
}

fn follow_me(a: u8, b: u8) -> Command {
    let presenter = if a & 0b1000 == 0 { None } else { named(b) };
    Command::FollowMe {
        invite: pick(&[Invite::On, Invite::Ask, Invite::On, Invite::Off], a),
        lock: pick(&[Lock::None, Lock::Hard], a >> 2),
        presenter,
    }
}

/// Commands that the kernel does not handle, or refuses.
fn beyond(n: u8) -> Command {
    pick(
        &[
            Command::AckHeart {
                sent_at: None,
                last_seq: 7,
            },
            Command::Admit {
                knock: KnockId::new(5),
            },
            Command::Deny { knock: None },
        ],
        n,
    )
}

fn patch(a: u8, b: u8) -> Patch {
    Patch {
        title: (a & 1 == 0)
            .then(|| Title::new(pick(&["Talk", "Other", ""], b), 100).expect("a title")),
        admission: pick(
            &[None, None, Some(Admission::Approval), Some(Admission::Open)],
            a >> 1,
        ),
        max_members: pick(&[None, Some(1), Some(2), Some(4), Some(500)], b >> 3),
        host_left: pick(
            &[None, Some(HostLeft::Countdown), Some(HostLeft::Promote)],
            a >> 3,
        ),
        locked: pick(&[None, Some(true), Some(false), None], a >> 5),
    }
}

/// The documented defaults, or other values that the configuration allows.
fn rules(n: u8) -> Rules {
    let seconds = Duration::from_secs;
    let documented = Rules::default();
    match n % 6 {
        1 => Rules {
            points_per_member: 2,
            people_remembered: 3,
            ..documented
        },
        2 => Rules {
            debounce: seconds(60),
            grace: seconds(5),
            background_grace: seconds(1),
            ..documented
        },
        3 => Rules {
            grace: seconds(86_400),
            empty: seconds(1),
            host_left: seconds(1),
            ..documented
        },
        4 => Rules {
            empty: seconds(86_400),
            host_left: seconds(86_400),
            people_remembered: 2,
            seat: seconds(1),
            ..documented
        },
        5 => Rules {
            points_per_member: 1,
            debounce: Duration::from_millis(1),
            grace: Duration::from_millis(1),
            ..documented
        },
        _ => documented,
    }
}
