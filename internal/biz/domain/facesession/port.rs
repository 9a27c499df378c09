//! Where sessions are listed and where codes and invites are kept.
//!
//! The truth about a session is its instruction log; what is kept here is what must be found without it.

use super::{CodeRecord, FaceSession, Invite, InviteUse};
use crate::Result;
use crate::domain::{MemberId, Page, PageRequest, SessionId, Timestamp};
use async_trait::async_trait;

/// The directory of sessions.
#[async_trait]
pub trait FaceSessionRepository: Send + Sync + 'static {
    /// Lists a new session, unless its host has `limit` live ones already: then `LIMIT_EXCEEDED` and nothing is kept. Atomic,
    /// for a host that has an account.
    async fn insert(&self, session: &FaceSession, limit: u32) -> Result<()>;
    /// Writes down how a session is after the entry `log_index` of its log. One that is not listed is listed: the log leads. What was written
    /// down after a later entry stays.
    async fn save(&self, session: &FaceSession, log_index: u64) -> Result<()>;
    /// Takes a session off the list: it never came to be, or has been kept for long enough.
    async fn remove(&self, id: SessionId) -> Result<()>;
    /// A session as it was written down last; `None`: it is not listed.
    async fn find(&self, id: SessionId) -> Result<Option<FaceSession>>;
    /// The index of the log entry after which the row of a session was written; 0: of none yet. `None`: it is not listed.
    async fn log_index(&self, id: SessionId) -> Result<Option<u64>>;
    /// The sessions that this person hosts or hosted, newest first, paged by id.
    async fn list_by_host(
        &self,
        host: MemberId,
        page: PageRequest<SessionId>,
    ) -> Result<Page<FaceSession, SessionId>>;
    /// How many sessions go on, in the whole installation.
    async fn count_live(&self) -> Result<u64>;
    /// The sessions that go on, as far as the list knows.
    async fn live(&self) -> Result<Vec<SessionId>>;
    /// Sessions that ended before `before`, oldest id first, at most `limit`.
    async fn ended_before(&self, before: Timestamp, limit: u32) -> Result<Vec<SessionId>>;
}

/// The number codes.
#[async_trait]
pub trait NumberCodeRepository: Send + Sync + 'static {
    /// Gives the session this code and retires the one it had, until `quarantine_until`. Atomic.
    /// `ALREADY_EXISTS`, and nothing changed, when another code that is live or in quarantine has this fingerprint.
    async fn assign(
        &self,
        code: &CodeRecord,
        now: Timestamp,
        quarantine_until: Timestamp,
    ) -> Result<()>;
    /// The live code with one of these fingerprints.
    async fn find(&self, fingerprints: &[[u8; 32]], now: Timestamp) -> Result<Option<CodeRecord>>;
    /// The session's live code.
    async fn current(&self, session: SessionId, now: Timestamp) -> Result<Option<CodeRecord>>;
    /// Moves the end of a live code; never brings back one that is retired or expired. `false`: it was not live.
    async fn extend(
        &self,
        fingerprint: [u8; 32],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool>;
    /// Retires the session's code, if it has one, until `quarantine_until`.
    async fn retire(
        &self,
        session: SessionId,
        now: Timestamp,
        quarantine_until: Timestamp,
    ) -> Result<()>;
    /// Forgets codes whose quarantine is over: those retired until before `now`, and those that expired before `expired_before`.
    async fn purge(&self, now: Timestamp, expired_before: Timestamp) -> Result<u64>;
}

/// The invites.
#[async_trait]
pub trait InviteRepository: Send + Sync + 'static {
    /// Gives the session this invite instead of the one it had.
    async fn put(&self, invite: &Invite) -> Result<()>;
    /// The invite with one of these fingerprints, usable or not.
    async fn find(&self, fingerprints: &[[u8; 32]]) -> Result<Option<Invite>>;
    /// The session's invite, usable or not.
    async fn current(&self, session: SessionId) -> Result<Option<Invite>>;
    /// Spends one use, atomically: two callers never share the last one.
    async fn spend(&self, fingerprint: [u8; 32], now: Timestamp) -> Result<InviteUse>;
    /// Gives back a use that came to nothing.
    async fn refund(&self, fingerprint: [u8; 32]) -> Result<()>;
    /// Takes the session's invite away. `false`: it had none.
    async fn revoke(&self, session: SessionId) -> Result<bool>;
}
