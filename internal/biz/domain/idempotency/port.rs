//! The store of the answers of idempotent calls.

use crate::Result;
use crate::domain::{AccountId, Timestamp};
use async_trait::async_trait;

/// A reservation for the answer to one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// SHA-256 digest of the call's identity: its caller, method, path and key.
    pub call: [u8; 32],
    /// The caller's account.
    pub account: AccountId,
    /// Keyed hash of the request.
    pub request: [u8; 32],
    /// The number of this attempt; later attempts at any call have greater ones.
    pub attempt: u64,
    /// The incarnation number of the process that runs the attempt; later processes have greater
    /// ones.
    pub process: u64,
    /// The attempt counts as dead then, unless it was answered before.
    pub expires_at: Timestamp,
}

/// The result of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// The reservation is made for this attempt.
    Fresh {
        /// The id for what the call creates: the number of the first attempt. An attempt that died
        /// before its answer was stored may have created it, and the next attempt at the same
        /// request gets the same id.
        effect: u64,
    },
    /// An earlier attempt holds the reservation.
    Taken {
        /// The keyed hash of that attempt's request.
        request: [u8; 32],
        /// Its answer, sealed; `None` while it runs.
        sealed: Option<String>,
    },
}

/// Stores answers until they expire.
#[async_trait]
pub trait AnswerRepository: Send + Sync + 'static {
    /// Makes a reservation for a call, unless an earlier attempt holds one that has not expired by
    /// `now`. Atomic: of two concurrent calls one is fresh. An attempt at the same request that an
    /// earlier process left without an answer is dead, and its reservation is replaced at once. If
    /// the account holds `limit` reservations already, the oldest are deleted.
    async fn reserve(
        &self,
        reservation: &Reservation,
        now: Timestamp,
        limit: u32,
    ) -> Result<Reserved>;
    /// Stores the answer of an attempt until `expires_at`. `false`, and nothing stored: the attempt
    /// no longer holds the reservation.
    async fn keep(
        &self,
        call: [u8; 32],
        attempt: u64,
        sealed: &str,
        expires_at: Timestamp,
    ) -> Result<bool>;
    /// Releases the reservation of an attempt at `now`, without an answer; one of another attempt
    /// is not touched. Its effect id stays, because the call may have had an effect.
    async fn release(&self, call: [u8; 32], attempt: u64, now: Timestamp) -> Result<()>;
    /// Deletes answers that have expired by `now`, and reservations without an answer that expired
    /// by `unanswered_before`. Returns their number.
    async fn purge(&self, now: Timestamp, unanswered_before: Timestamp) -> Result<u64>;
}
