//! The clock of the machine.

use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::port::Clock;
use std::time::{Duration, SystemTime};

/// The machine's wall clock, in milliseconds. No other code of the application reads it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place where the wall clock is read; everybody else is told the time by this port"
    )]
    fn now(&self) -> Timestamp {
        // A clock before 1970 has not been set.
        let since_1970 = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Timestamp::default() + since_1970
    }
}

impl workerid::TimeSource for SystemClock {
    fn now_ms(&self) -> i64 {
        self.now().as_millis()
    }
}

#[cfg(test)]
mod tests {
    use super::SystemClock;
    use faceshare_biz::domain::port::Clock;

    #[test]
    fn the_clock_is_set_and_does_not_run_backwards_between_two_looks() {
        const START_OF_2024: i64 = 1_704_067_200_000;
        let first = SystemClock.now();
        assert!(first.as_millis() > START_OF_2024);
        assert!(SystemClock.now() >= first);
    }
}
