//! An open loop: what is due is due, whether or not the server keeps up.

use std::time::Duration;

/// Even moments from a start on, one after the other, shared out among `lanes` in turn.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    start: u64,
    end: u64,
    lanes: u64,
    /// Between two moments of one lane.
    period: f64,
    count: u64,
}

impl Pace {
    /// `per_second` for each of the lanes; `from` and `to` in nanoseconds since the generator started.
    pub(super) fn new(lanes: usize, per_second: f64, from: u64, to: u64) -> Self {
        Self { start: from, end: to, lanes: lanes.max(1) as u64, period: 1e9 / per_second, count: 0 }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a run is minutes long")]
    fn moment(&self) -> u64 {
        self.start + (self.count as f64 * self.period / self.lanes as f64) as u64
    }

    /// The next moment; none after the end.
    pub(super) fn next(&self) -> Option<u64> {
        (self.period.is_finite() && self.moment() < self.end).then(|| self.moment())
    }

    /// Takes the next moment if it has come: when it was due, and whose it is.
    pub(super) fn take(&mut self, now: u64) -> Option<(u64, usize)> {
        let due = self.next().filter(|due| *due <= now)?;
        let lane = usize::try_from(self.count % self.lanes).expect("invariant: below the number of lanes");
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
    use super::Pace;

    #[test]
    fn moments_are_even_and_lanes_take_turns() {
        let mut pace = Pace::new(2, 10.0, 1_000_000_000, 1_200_000_000);
        let mut taken = Vec::new();
        while let Some(moment) = pace.take(u64::MAX) {
            taken.push(moment);
        }
        assert_eq!(taken, [(1_000_000_000, 0), (1_050_000_000, 1), (1_100_000_000, 0), (1_150_000_000, 1)]);
        assert_eq!(pace.next(), None);
    }

    #[test]
    fn a_late_generator_makes_up_for_what_it_missed() {
        let mut pace = Pace::new(1, 1000.0, 0, 1_000_000_000);
        assert_eq!(pace.take(0), Some((0, 0)));
        assert_eq!(pace.take(999_999), None);
        let late: Vec<_> = std::iter::from_fn(|| pace.take(5_000_000)).map(|(due, _)| due).collect();
        assert_eq!(late, [1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000], "each with the moment at which it was due");
    }

    #[test]
    fn a_rate_of_nothing_has_no_moments() {
        assert_eq!(Pace::new(1, 0.0, 0, 1_000).next(), None);
    }
}
