//! Invite links: a long secret instead of a short code.

use crate::domain::{SessionId, Timestamp};

/// An invite as it is kept: found by its fingerprint, shown from its seal. A session has at most one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Keyed hash of the secret.
    pub fingerprint: [u8; 32],
    /// The secret, encrypted.
    pub sealed: String,
    /// The session it leads to.
    pub session: SessionId,
    /// From then on it leads nowhere.
    pub expires_at: Timestamp,
    /// How often it may be used; `None`: any number of times.
    pub max_uses: Option<u32>,
    /// How often it was used.
    pub uses: u32,
    /// Whether the host must let in who comes by it.
    pub approval: bool,
}

impl Invite {
    /// Whether it still leads somewhere.
    #[must_use]
    pub fn is_usable(&self, now: Timestamp) -> bool {
        now < self.expires_at && self.max_uses.is_none_or(|max| self.uses < max)
    }
}

/// How the attempt to use up one use of an invite went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteUse {
    /// One use is spent.
    Spent,
    /// It is gone, expired or used up; nothing was spent.
    Refused,
}
