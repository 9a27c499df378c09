//! `events.*`: how events reach the jobs that act on them.

use super::section::Section;

/// The event log.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    /// What carries events to their consumers.
    pub(crate) bus: EventBus,
}

/// What carries events to their consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventBus {
    /// The main database: consumers read the log itself.
    Sql,
}

impl Events {
    pub(super) fn read(keys: &mut Section<'_, '_>) -> Self {
        Self {
            bus: keys.choice("bus", EventBus::Sql, &[("sql", EventBus::Sql)]),
        }
    }
}
