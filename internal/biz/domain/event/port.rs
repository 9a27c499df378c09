//! The stores of events, leases, positions of consumers and dead letters.

use super::{DeadLetter, FailedAttempt, Lease, Progress, RecordedEvent};
use crate::Result;
use crate::domain::{Page, PageRequest, Timestamp};
use async_trait::async_trait;
use std::time::Duration;

/// The result of [`EventLog::sequence`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequencing {
    /// This many events have got their positions.
    Numbered(u32),
    /// The lease is another process's by now; nothing was numbered.
    Fenced,
}

/// How far sequencing and consumers are behind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogFigures {
    /// Committed events without a position.
    pub unsequenced: u64,
    /// When the oldest of them happened; `None`: there is none.
    pub unsequenced_since: Option<Timestamp>,
    /// Every registered consumer.
    pub consumers: Vec<ConsumerFigures>,
}

/// How far one consumer is behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerFigures {
    /// The consumer's name.
    pub consumer: String,
    /// Events with a position that it has not handled.
    pub behind: u64,
    /// When the oldest of them happened; `None`: there is none.
    pub behind_since: Option<Timestamp>,
    /// Its dead letters.
    pub dead_letters: u64,
}

/// Reads and numbers events. Only a repository writes them, with the change that they tell of, so
/// this port has no call for that.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Gives the next positions to committed events that have none, at most `limit` of them, which
    /// is at most 500. Within one topic and key the order is that of versions. Atomic, and under
    /// this lease: if it was taken by another process since, nothing is numbered.
    async fn sequence(&self, lease: &Lease, limit: u32) -> Result<Sequencing>;
    /// The events after this position, in order, at most `limit`. An event that is missing from an
    /// answer never appears at an earlier position than those in it. `INTERNAL` for an event that a
    /// later version wrote: this version must not pass it over.
    async fn read(&self, after: u64, limit: u32) -> Result<Vec<RecordedEvent>>;
    /// Waits until a transaction of this process has committed an event. May end without a cause.
    async fn appended(&self);
    /// Waits until this process has numbered events. May end without a cause, and misses what
    /// happens before the call.
    async fn sequenced(&self);
    /// How far sequencing and the consumers are behind.
    async fn figures(&self) -> Result<LogFigures>;
    /// Deletes events that every registered consumer had passed `kept` ago, as far as earlier calls
    /// have recorded it. Returns their number. For a periodic job.
    async fn purge(&self, now: Timestamp, kept: Duration) -> Result<u64>;
}

/// Named leases. Time is the database's, so clocks of processes do not matter.
#[async_trait]
pub trait Leases: Send + Sync + 'static {
    /// Takes a lease for `term` if it is free or its term is over. Of several callers at once one
    /// gets it. `None`: another process holds it. A lease is never held twice under one fence.
    async fn take(&self, name: &str, term: Duration) -> Result<Option<Lease>>;
    /// Makes a lease last for `term` from now. `false`: it was taken by another process since.
    async fn renew(&self, lease: &Lease, term: Duration) -> Result<bool>;
    /// Frees a lease, so that another process can take it at once. Does nothing to a lease that was
    /// taken since.
    async fn release(&self, lease: &Lease) -> Result<()>;
}

/// The result of storing a consumer's progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advance {
    /// It is stored, and with it the effect of the event.
    Stored,
    /// The event was handled before; nothing is stored.
    Repeated,
    /// The lease is another process's by now; nothing is stored.
    Fenced,
}

/// How far a consumer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConsumerState {
    /// The position of the last event that it handled or gave up; 0: none yet.
    pub position: u64,
    /// Failed attempts at the next event.
    pub attempts: u32,
    /// The next event is not tried before this; `None`: it can be tried.
    pub retry_at: Option<Timestamp>,
}

/// Stores how far consumers have come. Every change is made under the consumer's lease and checks
/// its fence in the same transaction.
#[async_trait]
pub trait ConsumerPositions: Send + Sync + 'static {
    /// The state of a consumer. A consumer that is not known is registered before the oldest event
    /// that is kept.
    async fn load(&self, consumer: &str) -> Result<ConsumerState>;
    /// Stores that the event was handled: for effects that are not in SQL, which are keyed by the
    /// event's id, and for events that need no effect. A repository that stores an effect stores
    /// the progress itself, by the same rules, in the transaction of the effect.
    async fn advance(&self, progress: &Progress) -> Result<Advance>;
    /// Counts a failed attempt; the event stays the next.
    async fn fail(&self, progress: &Progress, failed: &FailedAttempt) -> Result<Advance>;
    /// Gives the event up: makes a dead letter of it and moves on, in one transaction.
    async fn give_up(
        &self,
        progress: &Progress,
        event: &RecordedEvent,
        failed: &FailedAttempt,
    ) -> Result<Advance>;
    /// The dead letters of a consumer that are to be retried, oldest first, at most `limit`.
    async fn to_retry(&self, consumer: &str, limit: u32) -> Result<Vec<DeadLetter>>;
}

/// The dead letters, for operators.
#[async_trait]
pub trait DeadLetters: Send + Sync + 'static {
    /// The dead letters of this consumer or of all, oldest first, paged by id.
    async fn list(
        &self,
        consumer: Option<&str>,
        page: PageRequest<u64>,
    ) -> Result<Page<DeadLetter, u64>>;
    /// A dead letter; `None`: there is none of this id.
    async fn get(&self, id: u64) -> Result<Option<DeadLetter>>;
    /// Tells the consumer to handle the event again, once. `false`: there is no such letter.
    async fn retry(&self, id: u64) -> Result<bool>;
    /// Deletes a letter: its event is never handled. `false`: there is no such letter.
    async fn discard(&self, id: u64) -> Result<bool>;
    /// Deletes the letters whose last attempt failed before `before`. Returns their number.
    async fn purge(&self, before: Timestamp) -> Result<u64>;
}
