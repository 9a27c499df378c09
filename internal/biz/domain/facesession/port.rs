//! The directory of sessions, and the stores of codes and invites.
//!
//! The instruction log is the source of truth about a session; these stores hold what must be found
//! without it.

use super::{CodeRecord, FaceSession, InviteRecord, InviteUse, SessionRecord};
use crate::Result;
use crate::domain::{MemberId, Page, PageRequest, SessionId, Timestamp};
use async_trait::async_trait;

/// The directory of sessions.
#[async_trait]
pub trait FaceSessionRepository: Send + Sync + 'static {
    /// Inserts a new session. `LIMIT_EXCEEDED`, and nothing stored, when its host has `limit` live
    /// sessions already. Atomic, for a host that has an account.
    async fn insert(&self, session: &FaceSession, limit: u32) -> Result<()>;
    /// Stores the state of a session after an entry of its log. Inserts a session that is not listed,
    /// since the log is the source of truth. A state of a later entry stays.
    ///
    /// An adapter writes an event with the first state that is of an entry, and one with the first
    /// state that has ended, in the transaction of the change, each once; a fake has no event log.
    async fn save(&self, record: &SessionRecord) -> Result<()>;
    /// Removes a session that was never created completely or whose retention time is over.
    async fn remove(&self, id: SessionId) -> Result<()>;
    /// The last stored state of a session; `None`: it is not listed.
    async fn find(&self, id: SessionId) -> Result<Option<FaceSession>>;
    /// The index of the log entry after which the row of a session was stored; 0: of none yet.
    /// `None`: the session is not listed.
    async fn log_index(&self, id: SessionId) -> Result<Option<u64>>;
    /// The sessions that this account hosts or hosted, newest first, paged by id.
    async fn list_by_host(
        &self,
        host: MemberId,
        page: PageRequest<SessionId>,
    ) -> Result<Page<FaceSession, SessionId>>;
    /// The number of live sessions in the whole installation.
    async fn count_live(&self) -> Result<u64>;
    /// The sessions that are listed as live.
    async fn live(&self) -> Result<Vec<SessionId>>;
    /// Sessions that ended before `before`, oldest id first, at most `limit`.
    async fn ended_before(&self, before: Timestamp, limit: u32) -> Result<Vec<SessionId>>;
}

/// The number codes.
#[async_trait]
pub trait NumberCodeRepository: Send + Sync + 'static {
    /// Assigns this code to the session and retires its old one until `quarantine_until`. Atomic.
    /// `ALREADY_EXISTS`, and nothing changed, if another code that is live or in quarantine has
    /// this fingerprint.
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
    /// The sessions whose code expired after `after` and until `until`, and was not retired.
    async fn expired(&self, after: Timestamp, until: Timestamp) -> Result<Vec<SessionId>>;
    /// Moves the end of a live code; never revives a retired or expired one. `false`: it was not
    /// live.
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
    /// Deletes codes whose quarantine is over: those retired until before `now`, and those that
    /// expired before `expired_before`. Returns their number.
    async fn purge(&self, now: Timestamp, expired_before: Timestamp) -> Result<u64>;
}

/// The invites.
#[async_trait]
pub trait InviteRepository: Send + Sync + 'static {
    /// Stores this invite as the only one of its session.
    async fn put(&self, invite: &InviteRecord) -> Result<()>;
    /// The invite with one of these fingerprints, usable or not.
    async fn find(&self, fingerprints: &[[u8; 32]]) -> Result<Option<InviteRecord>>;
    /// The session's invite, usable or not.
    async fn current(&self, session: SessionId) -> Result<Option<InviteRecord>>;
    /// Spends one use, atomically: two callers never share the last one.
    async fn spend(&self, fingerprint: [u8; 32], now: Timestamp) -> Result<InviteUse>;
    /// Gives back one spent use.
    async fn refund(&self, fingerprint: [u8; 32]) -> Result<()>;
    /// Removes the session's invite. `false`: it had none.
    async fn revoke(&self, session: SessionId) -> Result<bool>;
}
