//! `heartbeat.*`: how the server detects a dead connection.

use std::time::Duration;

use super::{DAY, SHORTEST, duration, section::Section};

/// How the server detects a dead connection.
#[derive(Debug, Clone)]
pub(crate) struct Heartbeat {
    /// Time between two `sysHeart` to a point.
    pub(crate) interval: Duration,
    /// A point that sends nothing for this long is lost. Longer than `interval`.
    pub(crate) timeout: Duration,
}

impl Heartbeat {
    pub(super) fn read(keys: &mut Section<'_, '_>) -> Self {
        let heartbeat = Self {
            interval: keys.duration(
                "interval",
                Duration::from_secs(20),
                SHORTEST..=Duration::from_hours(1),
            ),
            timeout: keys.duration("timeout", Duration::from_secs(30), SHORTEST..=DAY),
        };
        if heartbeat.timeout <= heartbeat.interval {
            let [timeout, interval] = [heartbeat.timeout, heartbeat.interval].map(duration::format);
            keys.problem(
                "timeout",
                format!("{timeout} must be longer than heartbeat.interval, which is {interval}"),
            );
        }
        heartbeat
    }
}
