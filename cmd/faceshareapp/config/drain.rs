//! `drain.*`: how the server stops.

use std::time::Duration;

use super::{SHORTEST, section::Section};

/// Shutting down.
#[derive(Debug, Clone)]
pub(crate) struct Drain {
    /// From the first SIGTERM to the exit, at most. A second one stops at once.
    pub(crate) timeout: Duration,
}

impl Drain {
    pub(super) fn read(keys: &mut Section<'_, '_>) -> Self {
        Self {
            timeout: keys.duration(
                "timeout",
                Duration::from_secs(30),
                SHORTEST..=Duration::from_hours(1),
            ),
        }
    }
}
