//! What goes into the kernel, and what comes out and into the log.

use crate::knock::{Knock, KnockAnswer};
use crate::state::Follow;
use faceshare_biz::domain::facesession::{Admission, Ended, HostLeft};
use faceshare_biz::domain::instruction::{
    AutoEnd, Command, Device, Epoch, Event, KnockState, Origin, Presenting, Profile, Seq,
};
use faceshare_biz::domain::{KnockId, MemberId, PointId, SessionId, Timestamp, Title};
use faceshare_biz::{Error, ErrorCode};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;

/// How a session begins.
#[derive(Debug, Clone)]
pub struct Genesis {
    /// The session's id.
    pub id: SessionId,
    /// What it is called.
    pub title: Title,
    /// Its host.
    pub host: Profile,
    /// How people come in.
    pub admission: Admission,
    /// What happens when the host leaves.
    pub host_left: HostLeft,
    /// How many members at most.
    pub max_members: u32,
    /// It ends this long after its beginning at the latest.
    pub auto_end_after: Option<Duration>,
    /// The first epoch.
    pub epoch: Epoch,
    /// The host's first point.
    pub point: PointId,
    /// What that is.
    pub device: Device,
}

/// What the host may change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    /// What it is called.
    pub title: Option<Title>,
    /// How people come in.
    pub admission: Option<Admission>,
    /// How many members at most.
    pub max_members: Option<u32>,
    /// What happens when the host leaves.
    pub host_left: Option<HostLeft>,
    /// Whether the session is locked: no new member may join.
    pub locked: Option<bool>,
}

/// By what right a seat is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The number code.
    Code,
    /// An invite.
    Invite,
    /// Having been let in before.
    Token,
}

/// An account that joins with a code or an invite.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Who, as the account is now.
    pub profile: Profile,
    /// The point that the session token will name, once there is one.
    pub point: PointId,
    /// The device of its point; `None`: unknown.
    pub device: Option<Device>,
    /// By what right.
    pub via: Via,
    /// The host has to approve although the session does not require it: the invite or the
    /// installation does.
    pub approval: bool,
    /// The knock it becomes if the host must let it in.
    pub knock: KnockId,
    /// Where it comes from.
    pub origin: Option<Origin>,
}

/// One thing that happens to a session.
#[derive(Debug, Clone)]
pub enum Input {
    /// A connected member sent an instruction.
    Command {
        /// Who.
        member: MemberId,
        /// From which point.
        point: PointId,
        /// Makes it take effect once; 0: none.
        nonce: u64,
        /// What.
        command: Command,
    },
    /// An account asks to join as this point.
    Seat {
        /// Who, as the account is now.
        profile: Profile,
        /// The point that the session token will name.
        point: PointId,
        /// What it is; `None`: as known.
        device: Option<Device>,
        /// By what right.
        via: Via,
    },
    /// An account joins with a code or an invite: it gets a seat, or knocks if it needs the host's
    /// approval.
    Arrive(Box<Arrival>),
    /// The host answers a knock, said over HTTP.
    AnswerKnock {
        /// Who answers.
        by: MemberId,
        /// Which knock.
        knock: KnockId,
        /// What.
        answer: KnockAnswer,
    },
    /// The one who knocked does not want to be let in any more.
    WithdrawKnock {
        /// Who; the knock of another is left as it is.
        by: MemberId,
        /// Which knock.
        knock: KnockId,
    },
    /// A point connected.
    Connect {
        /// Whose.
        member: MemberId,
        /// Which.
        point: PointId,
        /// Tells this connection from earlier ones of the same point; greater than theirs.
        incarnation: u64,
    },
    /// A point's connection is gone.
    PointLost {
        /// Which.
        point: PointId,
        /// Which of its connections; another than the current one changes nothing.
        incarnation: u64,
    },
    /// The process has restarted: no point is connected.
    Restart,
    /// The host changes the session.
    Patch {
        /// Who asks.
        by: MemberId,
        /// For what.
        patch: Patch,
    },
    /// The installation asks that unproven people who come by code be let in, or asks it no more.
    ForceAdmission {
        /// Whether it does.
        forced: bool,
    },
    /// The profile of an account has changed.
    Profile(Profile),
    /// A member leaves, said over HTTP.
    HttpQuit {
        /// Who.
        member: MemberId,
    },
    /// An account was deleted: its member leaves, or its knock no longer waits.
    Gone {
        /// Who.
        member: MemberId,
    },
    /// The host removes a member.
    Remove {
        /// Who asks.
        by: MemberId,
        /// Whom.
        member: MemberId,
    },
    /// The session ends.
    End {
        /// Who asks; `None`: the platform.
        by: Option<MemberId>,
    },
    /// A new epoch starts; seqs start again.
    NewEpoch {
        /// Its name.
        epoch: Epoch,
    },
    /// A deadline may have come: the earliest that has takes effect.
    Due,
}

/// The session's settings, as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// What it is called.
    pub title: Title,
    /// Who hosts it.
    pub host: MemberId,
    /// How people come in.
    pub admission: Admission,
    /// What happens when the host leaves.
    pub host_left: HostLeft,
    /// How many members at most.
    pub max_members: u32,
    /// Whether the session is locked: no new member may join.
    pub locked: bool,
}

/// One fact that an entry adds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// An account may connect as this point.
    Seated {
        /// Who.
        profile: Profile,
        /// As what.
        point: PointId,
        /// What that is; `None`: as known.
        device: Option<Device>,
        /// Its place is held until then.
        until: Timestamp,
    },
    /// The profile of a member from now on.
    Profile(Profile),
    /// An account is a member from now on.
    Joined {
        /// Who.
        member: MemberId,
    },
    /// A point is connected.
    PointUp {
        /// Whose.
        member: MemberId,
        /// Which.
        point: PointId,
        /// By which connection.
        incarnation: u64,
    },
    /// The connection of a point is gone; this is not announced yet.
    PointDown {
        /// Whose.
        member: MemberId,
        /// Which.
        point: PointId,
        /// Then everybody is told.
        announce_at: Timestamp,
    },
    /// A point is no longer listed.
    PointGone {
        /// Whose.
        member: MemberId,
        /// Which.
        point: PointId,
    },
    /// A member has no point left; its place is kept until then.
    Away {
        /// Who.
        member: MemberId,
        /// When the grace ends.
        until: Timestamp,
    },
    /// A point's app went to the background, or came back.
    Background {
        /// Whose.
        member: MemberId,
        /// Which.
        point: PointId,
        /// Whether it is there.
        background: bool,
    },
    /// A member is gone and may come back.
    Left {
        /// Who.
        member: MemberId,
    },
    /// A member was removed and may not come back.
    Removed {
        /// Who.
        member: MemberId,
    },
    /// The session forgets a member that is not present.
    Forgotten {
        /// Who.
        member: MemberId,
    },
    /// A member's part in the follow graph is this now.
    Follow {
        /// Whose.
        member: MemberId,
        /// How it is.
        follow: Follow,
    },
    /// Who presents, from now on.
    Presenting(Option<Presenting>),
    /// The settings are these now.
    Info(Info),
    /// Whether the installation forces approval.
    AdmissionForced(bool),
    /// Since when the host is gone; `None`: it is not.
    HostGone(Option<Timestamp>),
    /// Since when no member is present; `None`: a member is.
    Empty(Option<Timestamp>),
    /// When the session ends at the latest; `None`: no such time.
    ScheduledEnd(Option<Timestamp>),
    /// The countdown that everybody knows of.
    AutoEnd(Option<AutoEnd>),
    /// The session is over.
    Ended(Ended),
    /// A nonce took effect.
    Nonce {
        /// Whose.
        member: MemberId,
        /// Which.
        nonce: u64,
        /// The seq that answered it.
        seq: Seq,
    },
    /// A new epoch starts; seqs start again.
    Epoch(Epoch),
    /// A knock waits.
    Knocked(Box<Knock>),
    /// A knock waits no longer. One that was denied bars its sender.
    KnockOver {
        /// Which.
        knock: KnockId,
        /// How it stands now.
        state: KnockState,
    },
}

/// The whole outcome of one input: what changes, and what everybody is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was accepted.
    pub at: Timestamp,
    /// Whose doing it is; `None`: the server's.
    pub from: Option<MemberId>,
    /// The facts, in order.
    pub changes: Vec<Change>,
    /// The ordered frames, in order; their seqs go on from the state's.
    pub events: Vec<Event>,
}

/// What an accepted input leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Something to put into the log.
    Entry(Entry),
    /// It took effect before, at this seq.
    Repeated(Seq),
    /// Nothing: it was so already.
    Unchanged,
}

/// Why an input is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The code.
    pub code: ErrorCode,
    /// For people; safe to show.
    pub detail: Cow<'static, str>,
    /// The field that is wrong, if it is one.
    pub path: Option<&'static str>,
}

impl Reject {
    /// A refusal.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            path: None,
        }
    }

    /// A field that is wrong.
    pub fn invalid(path: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            path: Some(path),
            ..Self::new(ErrorCode::InvalidArgument, detail)
        }
    }
}

impl From<Reject> for Error {
    fn from(reject: Reject) -> Self {
        match reject.path {
            Some(path) => Self::invalid(path, reject.detail),
            None => Self::new(reject.code, reject.detail),
        }
    }
}
