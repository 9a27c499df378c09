//! `drain.*`: how the server stops.

use std::time::Duration;

use super::{SHORTEST, section::Section};

/// Shutting down.
#[derive(Debug, Clone)]
pub(crate) struct Drain {
    /// Maximum time from the first SIGTERM to the exit. A second SIGTERM stops at once.
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
