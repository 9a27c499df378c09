//! Members and their points, as everybody sees them.

use super::{AutoEnd, Edge, Presenting, SentAction};
use crate::domain::facesession::FaceSession;
use crate::domain::{MemberId, Nickname, PointId, Timestamp};
use serde::{Deserialize, Serialize};

/// What a member is in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Hosts it.
    Host,
    /// Has an account.
    Member,
    /// Has none.
    Guest,
}

/// A device, as its client named it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Device {
    /// E.g. "Ann's phone"; may be empty.
    pub name: Box<str>,
    /// E.g. "phone"; may be empty.
    pub kind: Box<str>,
}

/// Who somebody is, as copied from the account when it comes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The account.
    pub id: MemberId,
    /// What others see.
    pub nickname: Nickname,
    /// Path of the picture; may be empty.
    pub avatar_url: Box<str>,
    /// Whether it is a guest.
    pub guest: bool,
}

/// One device of a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointInfo {
    /// Which.
    pub id: PointId,
    /// What it is.
    pub device: Device,
}

/// One person in the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The account's id.
    pub id: MemberId,
    /// What others see.
    pub nickname: Nickname,
    /// Path of the picture; may be empty.
    pub avatar_url: Box<str>,
    /// What it is here.
    pub role: Role,
    /// Whether a point is connected.
    pub online: bool,
    /// The connected points, by id.
    pub points: Vec<PointInfo>,
    /// When its first point connected.
    pub joined_at: Timestamp,
    /// Whom it follows; `None`: nobody.
    pub follow: Option<Edge>,
}

/// The whole state of a session, as a newcomer needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The session.
    pub session: FaceSession,
    /// Those online or within their grace, by the time they joined.
    pub members: Vec<Member>,
    /// Who presents.
    pub presenting: Option<Presenting>,
    /// The countdown that runs.
    pub auto_end: Option<AutoEnd>,
    /// The latest values of the receiver's root.
    pub actions: Vec<SentAction>,
}
