//! Members and their points, as all members see them.

use super::{AutoEnd, Edge, Presenting, SentAction};
use crate::domain::facesession::FaceSession;
use crate::domain::{MemberId, Nickname, PointId, Timestamp};
use serde::{Deserialize, Serialize};

/// The role of a member in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// The host.
    Host,
    /// A member with an account.
    Member,
    /// A member without an account.
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

/// The profile of a member, copied from its account when it joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The account's id.
    pub id: MemberId,
    /// The name that others see.
    pub nickname: Nickname,
    /// Path of the picture; may be empty.
    pub avatar_url: Box<str>,
    /// Whether it is a guest.
    pub guest: bool,
}

/// One device of a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointInfo {
    /// The point's id.
    pub id: PointId,
    /// The device, as its client named it.
    pub device: Device,
}

/// One member of the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The account's id.
    pub id: MemberId,
    /// The name that others see.
    pub nickname: Nickname,
    /// Path of the picture; may be empty.
    pub avatar_url: Box<str>,
    /// The role in this session.
    pub role: Role,
    /// Whether a point is connected.
    pub online: bool,
    /// The connected points, by id.
    pub points: Vec<PointInfo>,
    /// When its first point connected.
    pub joined_at: Timestamp,
    /// Whom it follows; `None`: no member.
    pub follow: Option<Edge>,
}

/// The whole state of a session, for a point that connects without resuming.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The session.
    pub session: FaceSession,
    /// The members online or within their grace, in the order in which they joined.
    pub members: Vec<Member>,
    /// The presentation; `None`: no member presents.
    pub presenting: Option<Presenting>,
    /// The running countdown; `None`: there is none.
    pub auto_end: Option<AutoEnd>,
    /// The latest positions of the receiver's root.
    pub actions: Vec<SentAction>,
}
