//! An account's wrong guesses.

use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::facesession::GuessLimits;
use std::time::Duration;

/// The number of wrong guesses and the time of the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Strikes {
    count: u32,
    last: Timestamp,
}

impl Strikes {
    /// The guesses that still count: for each longest wait since the last guess one is dropped.
    fn remembered(self, limits: &GuessLimits, now: Timestamp) -> u32 {
        let forgotten = now.since(self.last).as_millis() / limits.wait_max.as_millis().max(1);
        self.count
            .saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }

    pub(super) fn add(&mut self, limits: &GuessLimits, now: Timestamp) {
        *self = Self {
            count: self.remembered(limits, now).saturating_add(1),
            last: now,
        };
    }

    /// How long the account must wait; `None` if it need not.
    pub(super) fn wait(self, limits: &GuessLimits, now: Timestamp) -> Option<Duration> {
        let doublings = self.count.checked_sub(limits.per_account)?;
        let wait = limits
            .wait
            .saturating_mul(2_u32.saturating_pow(doublings))
            .min(limits.wait_max);
        let passed = now.since(self.last);
        (passed < wait).then(|| wait - passed)
    }
}

#[cfg(test)]
mod tests {
    use super::Strikes;
    use faceshare_biz::domain::Timestamp;
    use faceshare_biz::domain::facesession::GuessLimits;
    use std::time::Duration;

    #[test]
    fn after_five_the_waits_double_from_a_minute_to_an_hour() {
        let (limits, mut strikes, mut now) = (
            GuessLimits::default(),
            Strikes::default(),
            Timestamp::from_millis(0),
        );
        let mut waits = Vec::new();
        for _ in 0..13 {
            strikes.add(&limits, now);
            let wait = strikes.wait(&limits, now).unwrap_or_default();
            waits.push(wait.as_secs() / 60);
            now = now + wait;
            assert_eq!(strikes.wait(&limits, now), None);
        }
        // At an hour, each wait drops one guess, and the next wrong guess adds it again.
        assert_eq!(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn one_is_forgotten_for_each_hour_without_another() {
        let (limits, mut strikes, now) = (
            GuessLimits::default(),
            Strikes::default(),
            Timestamp::from_millis(0),
        );
        (0..4).for_each(|_| strikes.add(&limits, now));
        let later = now + Duration::from_secs(2 * 3_600);
        assert_eq!(strikes.remembered(&limits, later), 2);
        strikes.add(&limits, later);
        assert_eq!(
            (
                strikes.remembered(&limits, later),
                strikes.wait(&limits, later)
            ),
            (3, None)
        );
    }
}
