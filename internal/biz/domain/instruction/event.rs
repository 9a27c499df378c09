//! What the server states, in order, to everybody in a session.

use super::{Edge, Invite, Lock, Member, Presenting, Suspend};
use crate::domain::facesession::{EndReason, FaceSession};
use crate::domain::{MemberId, Timestamp};
use serde::{Deserialize, Serialize};

/// Why a member is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum QuitReason {
    /// By its own wish.
    Left,
    /// Its grace ran out.
    Timeout,
    /// The host removed it.
    Removed,
}

/// Why a countdown runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AutoEndReason {
    /// The host has left.
    HostLeft,
    /// Nobody is there.
    Empty,
    /// The longest duration that was set at creation is nearly over.
    Scheduled,
}

/// A countdown to the session's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoEnd {
    /// When it runs out.
    pub ends_at: Timestamp,
    /// Why it runs.
    pub reason: AutoEndReason,
}

/// One ordered instruction from the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The first point of a member connected.
    MemberJoin(Member),
    /// A member is different now.
    MemberChange(Member),
    /// A member is gone.
    Quit {
        /// Who.
        member: MemberId,
        /// Why.
        reason: QuitReason,
    },
    /// A member said over HTTP that it leaves.
    HttpQuit {
        /// Who.
        member: MemberId,
    },
    /// Somebody presents, or changes how.
    FollowMe {
        /// What is asked of the others.
        invite: Invite,
        /// Whom it holds.
        lock: Lock,
        /// Whom the host named; `None`: the sender itself.
        presenter: Option<MemberId>,
    },
    /// Somebody ended the presenting.
    CancelFollowMe,
    /// Somebody follows a member.
    FollowOther {
        /// Whom.
        target: MemberId,
    },
    /// Somebody stopped following, or pauses.
    CancelFollow {
        /// Why it pauses; `None`: it stopped.
        suspend: Option<Suspend>,
    },
    /// The follow graph changed.
    FollowChange {
        /// The state after the change.
        presenting: Option<Presenting>,
        /// Everyone whose edge or root changed.
        edges: Vec<Edge>,
    },
    /// A countdown began.
    SessionAutoEnd(AutoEnd),
    /// The countdown is off.
    CancelAutoEnd,
    /// The session is over; nothing comes after it.
    SessEnd {
        /// Why.
        reason: EndReason,
    },
    /// Title, host, admission, lock or limits changed.
    SessionChange(FaceSession),
}
