//! The event log, and what reads it.
//!
//! An [`EventTransaction`] is the only way to write an event: no other code of the workspace
//! reaches it.

mod consumer;
mod dead_letter;
mod lease;
mod log;
mod transaction;

pub use consumer::EventConsumers;
pub use dead_letter::EventDeadLetters;
pub use lease::DatabaseLeases;
pub use log::Events;

#[cfg(test)]
pub(crate) use consumer::advance;
pub(crate) use transaction::EventTransaction;

use crate::error::unreadable;
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::event::{Fact, Kind, RecordedEvent};
use faceshare_biz::{Error, Result};
use tokio::sync::Notify;

/// Wakes what waits for events in this process.
#[derive(Debug, Default)]
pub(super) struct EventSignals {
    appended: Notify,
    sequenced: Notify,
}

/// The columns of an event, in the log and in a dead letter.
struct EventRow {
    id: i64,
    position: i64,
    topic: String,
    key: i64,
    kind: String,
    version: i64,
    at: i64,
    body: String,
}

impl TryFrom<EventRow> for RecordedEvent {
    type Error = Error;

    fn try_from(row: EventRow) -> Result<Self> {
        let kind = Kind::named(&row.topic, &row.kind).ok_or_else(|| {
            Error::internal(format!(
                "the event {} is of a later version: {} {}",
                row.id, row.topic, row.kind
            ))
        })?;
        Ok(Self {
            id: row.id.cast_unsigned(),
            position: row.position.cast_unsigned(),
            key: row.key.cast_unsigned(),
            version: row.version.cast_unsigned(),
            at: Timestamp::from_millis(row.at),
            fact: Fact::read(kind, &row.body).ok_or_else(|| unreadable("events.body"))?,
        })
    }
}
