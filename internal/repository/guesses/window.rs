//! A sum over a sliding window of time.

use faceshare_biz::domain::Timestamp;
use std::time::Duration;

/// Parts of the windows of addresses and networks, and of the installation's short window.
pub(super) const SHORT: usize = 11;

/// A sum over a sliding window, kept in `N` parts. The window's length is that of `N - 1` parts;
/// the newest part is incomplete. What was added counts for at least the window's length and at
/// most one part longer, so no interval of that length holds more than the limit.
#[derive(Debug, Clone)]
pub(super) struct Window<const N: usize> {
    /// The length of a part in milliseconds.
    part: i64,
    /// The newest part, counted in parts since 1970.
    newest: i64,
    /// The sums of the last `N` parts, each at its number modulo `N`.
    sums: [u64; N],
}

impl<const N: usize> Window<N> {
    #[allow(clippy::cast_possible_wrap, reason = "a small constant")]
    const PARTS: i64 = N as i64;

    pub(super) fn new(length: Duration) -> Self {
        let part = i64::try_from(length.as_millis()).unwrap_or(i64::MAX) / (Self::PARTS - 1);
        Self {
            part: part.max(1),
            newest: 0,
            sums: [0; N],
        }
    }

    fn slot(number: i64) -> usize {
        usize::try_from(number.rem_euclid(Self::PARTS))
            .expect("invariant: a remainder is not negative")
    }

    /// The number of the part at this time. A clock that goes back keeps the newest part.
    fn number(&self, now: Timestamp) -> i64 {
        now.as_millis().div_euclid(self.part).max(self.newest)
    }

    /// The sum of a part; 0 if it has left the window.
    fn part_sum(&self, number: i64) -> u64 {
        let kept = (self.newest - Self::PARTS + 1..=self.newest).contains(&number);
        if kept {
            self.sums[Self::slot(number)]
        } else {
            0
        }
    }

    pub(super) fn add(&mut self, amount: u64, now: Timestamp) {
        let number = self.number(now);
        for started in (self.newest + 1..=number).rev().take(N) {
            self.sums[Self::slot(started)] = 0;
        }
        self.newest = number;
        let sum = &mut self.sums[Self::slot(number)];
        *sum = sum.saturating_add(amount);
    }

    /// The sum of the whole window.
    pub(super) fn sum(&self, now: Timestamp) -> u64 {
        let number = self.number(now);
        (number - Self::PARTS + 1..=number)
            .map(|part| self.part_sum(part))
            .fold(0, u64::saturating_add)
    }

    /// How long until the sum is less than `limit`; `None` if it is less now.
    pub(super) fn wait(&self, limit: u64, now: Timestamp) -> Option<Duration> {
        let number = self.number(now);
        let mut sum = self.sum(now);
        if sum < limit {
            return None;
        }
        let mut oldest = number - Self::PARTS + 1;
        while sum >= limit && sum > 0 && oldest <= number {
            sum = sum.saturating_sub(self.part_sum(oldest));
            oldest += 1;
        }
        let free = Timestamp::from_millis((oldest + Self::PARTS - 1).saturating_mul(self.part));
        Some(free.since(now).max(Duration::from_millis(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::{SHORT, Window};
    use faceshare_biz::domain::Timestamp;
    use std::time::Duration;

    const MINUTE: i64 = 60_000;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(minutes * MINUTE)
    }

    fn window() -> Window<SHORT> {
        Window::new(Duration::from_secs(600))
    }

    #[test]
    fn what_is_added_counts_for_the_whole_window_and_then_no_more() {
        let mut window = window();
        window.add(3, at(100) + Duration::from_secs(59));
        window.add(2, at(105));
        for (minute, sum) in [
            (105, 5),
            (109, 5),
            (110, 5),
            (111, 2),
            (115, 2),
            (116, 0),
            (1_000, 0),
        ] {
            assert_eq!(window.sum(at(minute)), sum, "{minute}");
        }
    }

    #[test]
    fn no_stretch_of_the_windows_length_holds_more_than_the_limit() {
        const LIMIT: u64 = 10;
        let (mut window, mut added) = (window(), Vec::new());
        for step in 0..20_000_i64 {
            let now = Timestamp::from_millis(step * 3_700);
            if window.wait(LIMIT, now).is_none() {
                window.add(1, now);
                added.push(now);
            }
        }
        assert!(added.len() > 1_000, "it goes on");
        for from in &added {
            let within = added
                .iter()
                .filter(|at| **at >= *from && **at < *from + Duration::from_secs(600))
                .count();
            assert!(within as u64 <= LIMIT, "{within} from {from:?}");
        }
    }

    #[test]
    fn after_the_wait_the_sum_is_below_the_limit() {
        let mut window = window();
        window.add(4, at(100));
        window.add(4, at(103));
        let now = at(105);
        assert_eq!(window.wait(9, now), None);
        for limit in [1, 4, 5, 8] {
            let wait = window.wait(limit, now).expect("spent");
            assert_eq!(window.wait(limit, now + wait), None, "{limit}");
            assert!(
                window
                    .wait(limit, now + (wait - Duration::from_millis(1)))
                    .is_some(),
                "{limit}"
            );
        }
    }

    #[test]
    fn a_clock_that_goes_back_forgets_nothing() {
        let mut window = window();
        window.add(1, at(100));
        window.add(1, at(50));
        assert_eq!((window.sum(at(50)), window.sum(at(100))), (2, 2));
    }
}
