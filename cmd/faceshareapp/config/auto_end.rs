//! `auto_end.*`: when a session ends that no member ended.

use std::time::Duration;

use super::{DAY, SHORTEST, section::Section};

/// When a session ends by itself.
#[derive(Debug, Clone)]
pub(crate) struct AutoEnd {
    /// After its host left.
    pub(crate) host_left: Duration,
    /// After its last member left, or after its creation if no member came.
    pub(crate) empty: Duration,
}

impl AutoEnd {
    pub(super) fn read(keys: &mut Section<'_, '_>) -> Self {
        Self {
            host_left: keys.duration("host_left", Duration::from_mins(5), SHORTEST..=DAY),
            empty: keys.duration("empty", Duration::from_secs(60), SHORTEST..=DAY),
        }
    }
}
