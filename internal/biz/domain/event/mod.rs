//! The event log: what happened beside the streams of sessions, for the jobs and services that act
//! on it.
//!
//! A repository writes an event in the transaction of the change that it tells of, so the two exist
//! together or not at all. The event has no position yet. One sequencer in the installation numbers
//! events whose transactions are committed, and consumers read them by position. The id of an event
//! is no order to read by: a transaction that took its id early and commits late would be skipped.

mod fact;
mod port;
mod types;

pub use fact::{Fact, Kind, Topic};
pub use port::{
    Advance, ConsumerFigures, ConsumerPositions, ConsumerState, DeadLetters, EventLog, Leases,
    LogFigures, Sequencing,
};
pub use types::{DeadLetter, Delivery, FailedAttempt, Lease, NewEvent, Progress, RecordedEvent};
