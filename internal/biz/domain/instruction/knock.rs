//! Knocks: requests to be admitted, as the host sees them.

use super::Device;
use crate::domain::{KnockId, Nickname, Timestamp};
use serde::{Deserialize, Serialize};

/// The state of a knock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KnockState {
    /// The host has not answered yet.
    Waiting,
    /// The caller was admitted, by the host or in another way.
    Admitted,
    /// The host denied it.
    Denied,
    /// The host did not answer in time, or the knock was withdrawn.
    Expired,
}

/// A knock as the host receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberKnock {
    /// The knock's id.
    pub id: KnockId,
    /// The nickname of the caller.
    pub nickname: Nickname,
    /// The caller's device.
    pub device: Device,
    /// The knock expires then if the host has not answered.
    pub expires_at: Timestamp,
    /// The state now.
    pub state: KnockState,
}

/// The origin of a knock: a keyed hash of the address, which only shows whether two knocks come
/// from the same address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin(pub u64);
