//! Invite links: a long secret instead of a short code.

use crate::domain::{SessionId, Timestamp};

/// A stored invite: found by its fingerprint, shown from its sealed secret. A session has at most
/// one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteRecord {
    /// Keyed hash of the secret.
    pub fingerprint: [u8; 32],
    /// The secret, encrypted.
    pub sealed: String,
    /// The session it leads to.
    pub session: SessionId,
    /// The invite stops working then.
    pub expires_at: Timestamp,
    /// The most uses; `None`: no limit.
    pub max_uses: Option<u32>,
    /// The uses spent so far.
    pub uses: u32,
    /// Whether a newcomer who uses it needs the host's approval.
    pub approval: bool,
    /// The effect id of the call that made it; `None`: a call without an idempotency key.
    pub effect: Option<u64>,
}

impl InviteRecord {
    /// Whether it has neither expired nor been used up.
    #[must_use]
    pub fn is_usable(&self, now: Timestamp) -> bool {
        now < self.expires_at && self.max_uses.is_none_or(|max| self.uses < max)
    }
}

/// The result of spending one use of an invite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteUse {
    /// One use is spent.
    Spent,
    /// The invite is revoked, expired or used up; nothing was spent.
    Refused,
}
