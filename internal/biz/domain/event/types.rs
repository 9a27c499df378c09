//! Events, leases, and how far a consumer has come.

use super::{Fact, Topic};
use crate::domain::Timestamp;

/// An event that a repository writes with the change that it tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The id of what the event is about; events of one topic and key are handled in order.
    pub key: u64,
    /// The version of what the event is about after the change. Rises with each change under one
    /// key. A second event of the same topic, key, kind and version is not written.
    pub version: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub fact: Fact,
}

/// An event with its place in the order of all events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// The event's id, the same for every consumer and each repetition. Not an order: see
    /// [`position`](Self::position).
    pub id: u64,
    /// The place in the log: 1, 2, 3 and so on without a gap.
    pub position: u64,
    /// The id of what the event is about.
    pub key: u64,
    /// The version of what the event is about after the change.
    pub version: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub fact: Fact,
}

impl RecordedEvent {
    /// What the event is about.
    #[must_use]
    pub const fn topic(&self) -> Topic {
        self.fact.kind().topic()
    }
}

/// A lease that this process has taken. It may have been lost since: a write under a lease checks
/// the fence in its own transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What the lease is for.
    pub name: String,
    /// The number of this taking of the lease; later ones have greater numbers.
    pub fence: u64,
}

/// What a consumer is handling, and the lease under which it does. A repository that stores the
/// effect of an event stores this with it, in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The name of the consumer.
    pub consumer: String,
    /// The consumer's lease.
    pub lease: Lease,
    /// Which event is handled.
    pub delivery: Delivery,
}

/// How an event came to a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// As the next event: the one at this position.
    Position(u64),
    /// As the dead letter of this id, which an operator told to retry.
    DeadLetter(u64),
}

/// A failed attempt to handle an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAttempt {
    /// Why it failed, for operators; at most [`FailedAttempt::ERROR_MAX`] characters are kept.
    pub error: String,
    /// When it failed.
    pub at: Timestamp,
    /// The event is not handled again before this.
    pub retry_at: Timestamp,
}

impl FailedAttempt {
    /// The longest text of an error that is kept, in characters.
    pub const ERROR_MAX: usize = 500;
}

/// An event that a consumer could not handle, kept for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The letter's id.
    pub id: u64,
    /// The consumer that could not handle it.
    pub consumer: String,
    /// The event.
    pub event: RecordedEvent,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub error: String,
    /// When the last attempt failed.
    pub failed_at: Timestamp,
    /// Whether an operator has told to retry it, and it has not been tried since.
    pub retry: bool,
}
