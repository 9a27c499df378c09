//! A face session as everybody in it sees it.

use crate::domain::{AccountId, FamilyId, KnockId, MemberId, PointId, SessionId, Timestamp, Title};
use serde::{Deserialize, Serialize};

/// Whether a session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It does.
    Active,
    /// It is over, for good.
    Ended,
}

/// How people with the code or an invite come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Admission {
    /// At once.
    Open,
    /// When the host lets them in.
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
    /// The host's wish.
    HostEnded,
    /// A countdown ran out.
    AutoEnd,
    /// The platform's doing.
    Platform,
}

/// When and why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: EndReason,
}

/// A face session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaceSession {
    /// Its id.
    pub id: SessionId,
    /// What it is called.
    pub title: Title,
    /// Who hosts it.
    pub host: MemberId,
    /// How people come in.
    pub admission: Admission,
    /// The server asks for approval for now, whatever `admission` says.
    pub admission_forced: bool,
    /// Nobody new comes in.
    pub locked: bool,
    /// What happens when the host leaves.
    pub host_left: HostLeft,
    /// How many members at most.
    pub max_members: u32,
    /// Members now, online or within their grace.
    pub member_count: u32,
    /// When it was opened.
    pub created_at: Timestamp,
    /// Set once it is over.
    pub ended: Option<Ended>,
}

impl FaceSession {
    /// Whether it goes on.
    #[must_use]
    pub const fn status(&self) -> Status {
        if self.ended.is_some() {
            Status::Ended
        } else {
            Status::Active
        }
    }
}

/// What a wait token says: whose knock at which session it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitClaims {
    /// The session.
    pub session: SessionId,
    /// Who knocked.
    pub account: AccountId,
    /// The knock.
    pub knock: KnockId,
}

/// What a session token says: it opens the stream of one session as one point of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionClaims {
    /// The session.
    pub session: SessionId,
    /// Whose point.
    pub member: MemberId,
    /// Which point.
    pub point: PointId,
    /// The sign-in behind it.
    pub family: FamilyId,
}
