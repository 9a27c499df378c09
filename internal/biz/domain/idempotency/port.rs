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
    /// The incarnation of the process that runs the attempt; later processes have greater ones.
    pub process: u64,
    /// The attempt counts as dead then, unless it was answered.
    pub expires_at: Timestamp,
}

/// What became of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// The place is taken for this attempt.
    Fresh {
        /// Under which id the call makes what it makes: the first attempt's. An attempt that died before its answer was kept may have made it,
        /// and the next one at the same request gets the same id.
        effect: u64,
    },
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
    /// Takes the place of a call, unless an earlier attempt has it that has not expired by `now`. Atomic: of two at once, one is fresh. An
    /// attempt at the same request that an earlier process left without an answer has died with it, and its place is free at once. Of an account that holds `limit` places already, the oldest ones go.
    async fn reserve(
        &self,
        reservation: &Reservation,
        now: Timestamp,
        limit: u32,
    ) -> Result<Reserved>;
    /// Keeps the answer of an attempt until `expires_at`. `false`, and nothing kept: the place is not this attempt's any more.
    async fn keep(
        &self,
        call: [u8; 32],
        attempt: u64,
        sealed: &str,
        expires_at: Timestamp,
    ) -> Result<bool>;
    /// Gives the place of an attempt up by `now`, without an answer; another's is not touched. The id of its effect stays with it, for the call
    /// may have had one.
    async fn release(&self, call: [u8; 32], attempt: u64, now: Timestamp) -> Result<()>;
    /// Forgets answers that have expired by `now`, and places without an answer that expired by `unanswered_before`.
    async fn purge(&self, now: Timestamp, unanswered_before: Timestamp) -> Result<u64>;
}
