//! A face session as its members see it, and the claims of its tokens.

use crate::domain::{AccountId, FamilyId, KnockId, MemberId, PointId, SessionId, Timestamp, Title};
use serde::{Deserialize, Serialize};

/// Whether a session is live or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// The session is live.
    Active,
    /// The session has ended; this is final.
    Ended,
}

/// How callers with the code or an invite join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Admission {
    /// They join at once.
    Open,
    /// They need the host's approval.
    Approval,
}

/// What happens when the host leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostLeft {
    /// A countdown to the end runs until the host is back.
    Countdown,
    /// The longest-present member becomes host.
    Promote,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndReason {
    /// The host ended it.
    HostEnded,
    /// A countdown ran out.
    AutoEnd,
    /// The server ended it.
    Platform,
}

impl EndReason {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::HostEnded, Self::AutoEnd, Self::Platform];

    /// The name in the directory and in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HostEnded => "HOST_ENDED",
            Self::AutoEnd => "AUTO_END",
            Self::Platform => "PLATFORM",
        }
    }

    /// The reason of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// The end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When it ended.
    pub at: Timestamp,
    /// Why it ended.
    pub reason: EndReason,
}

/// A face session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaceSession {
    /// The session's id.
    pub id: SessionId,
    /// The title; may be empty.
    pub title: Title,
    /// The host.
    pub host: MemberId,
    /// How newcomers join.
    pub admission: Admission,
    /// Whether the server requires approval for now, whatever `admission` says.
    pub admission_forced: bool,
    /// Whether newcomers are refused.
    pub locked: bool,
    /// What happens when the host leaves.
    pub host_left: HostLeft,
    /// The most members, host included; 1 to the configured limit.
    pub max_members: u32,
    /// The members now, online or within their grace.
    pub member_count: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// The end; `None` while it is live.
    pub ended: Option<Ended>,
}

impl FaceSession {
    /// Whether it is live or ended.
    #[must_use]
    pub const fn status(&self) -> Status {
        if self.ended.is_some() {
            Status::Ended
        } else {
            Status::Active
        }
    }
}

/// What the directory stores of a session after an entry of its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// The session.
    pub session: FaceSession,
    /// The index of the entry.
    pub log_index: u64,
    /// Once the session has ended: its members then and those who had left, by ascending id. Without
    /// those who were removed or never connected. Empty while it is live, and when its log is lost.
    pub attendees: Vec<MemberId>,
}

/// The claims of a wait token: one knock of one account at one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitClaims {
    /// The session.
    pub session: SessionId,
    /// The account that knocked.
    pub account: AccountId,
    /// The knock.
    pub knock: KnockId,
}

/// The claims of a session token, which opens the stream of one session as one point of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionClaims {
    /// The session.
    pub session: SessionId,
    /// The member that the point belongs to.
    pub member: MemberId,
    /// The point that the token connects.
    pub point: PointId,
    /// The sign-in that the token comes from.
    pub family: FamilyId,
}
