//! Knocks: somebody at the door, as the host sees it.

use super::Device;
use crate::domain::{KnockId, Nickname, Timestamp};
use serde::{Deserialize, Serialize};

/// How a knock stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KnockState {
    /// Nobody has answered it yet.
    Waiting,
    /// Let in: by the host, or in another way meanwhile.
    Admitted,
    /// Kept out.
    Denied,
    /// Nobody answered it in time.
    Expired,
}

/// What the host is told of a knock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberKnock {
    /// Which.
    pub id: KnockId,
    /// How the one who knocked is called.
    pub nickname: Nickname,
    /// From which device.
    pub device: Device,
    /// Unanswered until then, it expires.
    pub expires_at: Timestamp,
    /// How it stands.
    pub state: KnockState,
}

/// Where a knock comes from: a keyed hash of the address, good for telling two apart and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin(pub u64);
