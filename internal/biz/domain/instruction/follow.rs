//! Presenting and following.

use crate::domain::{MemberId, Timestamp};
use serde::{Deserialize, Serialize};

/// What a presenter asks of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Invite {
    /// Clients ask their user whether to follow.
    Ask,
    /// Everybody follows at once.
    On,
    /// Nobody is asked.
    Off,
}

/// Whether a follower may stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lock {
    /// It may.
    None,
    /// Only the host may.
    Hard,
}

/// Why a follower pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Suspend {
    /// Scrolled away.
    Scroll,
    /// Zoomed.
    Zoom,
    /// Turned a page.
    Page,
    /// Opened another file.
    File,
    /// Anything else.
    Other,
}

/// That somebody presents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presenting {
    /// Who.
    pub member: MemberId,
    /// What it asks.
    pub invite: Invite,
    /// Whom it holds.
    pub lock: Lock,
    /// Counts the starts and takeovers in a session, from 1; never reused.
    pub term: u32,
    /// Since when.
    pub since: Timestamp,
}

/// Why an edge is as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EdgeReason {
    /// Attached to the presenter.
    Presenter,
    /// Its own choice.
    Choice,
    /// Somebody further up the chain changed.
    Chain,
    /// Its own target counts again.
    Restored,
    /// It stopped following.
    Cancelled,
    /// Its target left.
    TargetLeft,
}

/// Whom a member follows, and whose position it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The follower.
    pub member: MemberId,
    /// Whom it follows; `None`: nobody.
    pub target: Option<MemberId>,
    /// The end of the chain; `None`: nobody, or suspended.
    pub root: Option<MemberId>,
    /// Whether it pauses.
    pub suspended: bool,
    /// Why.
    pub reason: EdgeReason,
}
