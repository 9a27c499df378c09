//! The ordered instructions that the server sends to all members of a session.

use super::{Edge, Invite, Lock, Member, Presenting, Suspend};
use crate::domain::facesession::{EndReason, FaceSession};
use crate::domain::{MemberId, Timestamp};
use serde::{Deserialize, Serialize};

/// Why a member left the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum QuitReason {
    /// The member left by itself.
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
    /// No member is connected.
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
    /// A member has changed to this state.
    MemberChange(Member),
    /// A member left the session.
    Quit {
        /// The member.
        member: MemberId,
        /// The reason.
        reason: QuitReason,
    },
    /// A member said over HTTP that it leaves.
    HttpQuit {
        /// The member.
        member: MemberId,
    },
    /// A member presents, or changes the settings of the presentation.
    FollowMe {
        /// What is asked of the other members.
        invite: Invite,
        /// Whether followers may stop.
        lock: Lock,
        /// The presenter that the host named; `None`: the sender.
        presenter: Option<MemberId>,
    },
    /// A member ended the presentation.
    CancelFollowMe,
    /// A member follows another.
    FollowOther {
        /// The member that is followed.
        target: MemberId,
    },
    /// A member stopped following, or paused.
    CancelFollow {
        /// The reason of the pause; `None`: the member stopped.
        suspend: Option<Suspend>,
    },
    /// The follow graph changed.
    FollowChange {
        /// The presentation after the change; `None`: no member presents.
        presenting: Option<Presenting>,
        /// The edges of all members whose edge or root changed.
        edges: Vec<Edge>,
    },
    /// A countdown began.
    SessionAutoEnd(AutoEnd),
    /// The countdown was cancelled.
    CancelAutoEnd,
    /// The session has ended; no event follows.
    SessEnd {
        /// The reason.
        reason: EndReason,
    },
    /// Title, host, admission, lock or limits changed.
    SessionChange(FaceSession),
}
