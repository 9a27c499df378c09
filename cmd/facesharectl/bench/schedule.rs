//! An open-loop schedule: actions are due at fixed times, whether or not the server keeps up.

use std::time::Duration;

/// Evenly spaced times, assigned to `lanes` round-robin.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    start: u64,
    end: u64,
    lanes: u64,
    /// Nanoseconds between two times of one lane.
    period: f64,
    count: u64,
}

impl Schedule {
    /// `per_second` for each lane; `from` and `to` are nanoseconds since the generator started.
    pub(super) fn new(lanes: usize, per_second: f64, from: u64, to: u64) -> Self {
        Self {
            start: from,
            end: to,
            lanes: lanes.max(1) as u64,
            period: 1e9 / per_second,
            count: 0,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a run is minutes long"
    )]
    fn time(&self) -> u64 {
        self.start + (self.count as f64 * self.period / self.lanes as f64) as u64
    }

    /// The next time; `None` after the end.
    pub(super) fn next(&self) -> Option<u64> {
        (self.period.is_finite() && self.time() < self.end).then(|| self.time())
    }

    /// If the next time has come, returns it and its lane.
    pub(super) fn take_due(&mut self, now: u64) -> Option<(u64, usize)> {
        let due = self.next().filter(|due| *due <= now)?;
        let lane =
            usize::try_from(self.count % self.lanes).expect("invariant: below the number of lanes");
        self.count += 1;
        Some((due, lane))
    }
}

/// Nanoseconds; 584 years fit.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    #[test]
    fn times_are_even_and_lanes_alternate() {
        let mut schedule = Schedule::new(2, 10.0, 1_000_000_000, 1_200_000_000);
        let mut times = Vec::new();
        while let Some(time) = schedule.take_due(u64::MAX) {
            times.push(time);
        }
        assert_eq!(
            times,
            [
                (1_000_000_000, 0),
                (1_050_000_000, 1),
                (1_100_000_000, 0),
                (1_150_000_000, 1)
            ]
        );
        assert_eq!(schedule.next(), None);
    }

    #[test]
    fn a_late_generator_catches_up() {
        let mut schedule = Schedule::new(1, 1000.0, 0, 1_000_000_000);
        assert_eq!(schedule.take_due(0), Some((0, 0)));
        assert_eq!(schedule.take_due(999_999), None);
        let late: Vec<_> = std::iter::from_fn(|| schedule.take_due(5_000_000))
            .map(|(due, _)| due)
            .collect();
        assert_eq!(
            late,
            [1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000],
            "each with the time at which it was due"
        );
    }

    #[test]
    fn a_rate_of_zero_has_no_times() {
        assert_eq!(Schedule::new(1, 0.0, 0, 1_000).next(), None);
    }
}
