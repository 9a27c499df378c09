//! Presenting and following.

use crate::domain::{MemberId, Timestamp};
use serde::{Deserialize, Serialize};

/// What a presenter asks of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Invite {
    /// Clients ask their user whether to follow.
    Ask,
    /// All members follow at once.
    On,
    /// Members are not asked.
    Off,
}

/// Whether a follower may stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lock {
    /// Every follower may stop.
    None,
    /// Only the host may stop following.
    Hard,
}

/// Why a follower pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Suspend {
    /// The follower scrolled away.
    Scroll,
    /// The follower zoomed.
    Zoom,
    /// The follower turned a page.
    Page,
    /// The follower opened another file.
    File,
    /// Any other reason.
    Other,
}

/// The running presentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presenting {
    /// The presenter.
    pub member: MemberId,
    /// What it asks of the other members.
    pub invite: Invite,
    /// Whether followers may stop.
    pub lock: Lock,
    /// Counts the starts and takeovers in a session, from 1; never reused.
    pub term: u32,
    /// When the presenting or its takeover started.
    pub since: Timestamp,
}

/// Why an edge is as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EdgeReason {
    /// The member was attached to the presenter.
    Presenter,
    /// The member chose the target.
    Choice,
    /// An edge further up the chain changed.
    Chain,
    /// The member's own earlier target applies again.
    Restored,
    /// The member stopped following.
    Cancelled,
    /// The target left the session.
    TargetLeft,
}

/// An edge of the follow graph: whom a member follows, and whose positions it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The follower.
    pub member: MemberId,
    /// The member that it follows; `None`: it follows no member.
    pub target: Option<MemberId>,
    /// The end of the chain, whose positions the follower receives; `None`: it follows no member,
    /// or is suspended.
    pub root: Option<MemberId>,
    /// Whether the follower has paused.
    pub suspended: bool,
    /// Why the edge is as it is.
    pub reason: EdgeReason,
}
