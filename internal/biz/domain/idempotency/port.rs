//! Where answers to calls are kept, to be given again.

use crate::Result;
use crate::domain::{AccountId, Timestamp};
use async_trait::async_trait;

/// A place for the answer to one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Digest of what names the call: its caller, method, path and key.
    pub call: [u8; 32],
    /// The caller.
    pub account: AccountId,
    /// Keyed hash of what the call asks for.
    pub request: [u8; 32],
    /// Tells this attempt from others at the same call; later attempts have greater ones.
    pub attempt: u64,
    /// The attempt counts as dead then, unless it was answered.
    pub expires_at: Timestamp,
}

/// What became of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// The place is taken for this attempt.
    Fresh,
    /// An earlier attempt has it.
    Taken {
        /// What that one asked for.
        request: [u8; 32],
        /// Its answer, sealed; `None` while it runs.
        sealed: Option<String>,
    },
}

/// Keeps answers until they expire.
#[async_trait]
pub trait AnswerRepository: Send + Sync + 'static {
    /// Takes the place of a call, unless an earlier attempt has it that has not expired by `now`. Atomic: of two at once, one is fresh.
    /// Of an account that holds `limit` places already, the oldest ones go.
    async fn reserve(&self, reservation: &Reservation, now: Timestamp, limit: u32) -> Result<Reserved>;
    /// Keeps the answer of an attempt until `expires_at`. `false`, and nothing kept: the place is not this attempt's any more.
    async fn keep(&self, call: [u8; 32], attempt: u64, sealed: &str, expires_at: Timestamp) -> Result<bool>;
    /// Gives the place of an attempt up; another's is not touched.
    async fn release(&self, call: [u8; 32], attempt: u64) -> Result<()>;
    /// Forgets what has expired by `now`.
    async fn purge(&self, now: Timestamp) -> Result<u64>;
}
