//! The number of sessions that guesses at number codes find on average.

use std::ops::{Add, AddAssign};

/// A number of expected hits, in trillionths. An integer, so that sums of very small chances do not
/// depend on their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ExpectedHits(u64);

/// The trillionths in one hit.
const ONE: u64 = 1_000_000_000_000;
/// Codes of `n` digits are assigned only up to `10^(n - SPARSE)` live sessions: at most one guess
/// in 10,000 hits.
const SPARSE: u32 = 4;
/// At least 8 in 10 numbers of a length have the shape of a code (no leading zero, no repeats); an
/// attacker guesses only among these.
const SHAPELY_TENTHS: u128 = 8;

impl ExpectedHits {
    /// No expected hits.
    pub const NONE: Self = Self(0);

    /// The expected hits of one guess at a code of this many digits with this many live sessions,
    /// rounded up.
    ///
    /// Codes are not counted by length. All live sessions may have a code of this length, but only
    /// as many as `SPARSE` allows: above that number longer codes are assigned, and a session has
    /// one code.
    #[must_use]
    pub fn of_guess(live_sessions: u64, digits: usize) -> Self {
        let digits = u32::try_from(digits).unwrap_or(u32::MAX).clamp(SPARSE, 18);
        let codes = u128::from(live_sessions.min(10_u64.pow(digits - SPARSE)));
        let shapely = 10_u128.pow(digits) * SHAPELY_TENTHS / 10;
        Self(u64::try_from((codes * u128::from(ONE)).div_ceil(shapely)).unwrap_or(u64::MAX))
    }

    /// From thousandths of a hit, as the configuration has them: 50 for 0.05.
    #[must_use]
    pub fn from_thousandths(thousandths: u32) -> Self {
        Self(u64::from(thousandths) * (ONE / 1_000))
    }

    /// The hits as a number, for display only.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "shown, not reckoned with")]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / ONE as f64
    }

    /// The hits in trillionths.
    #[must_use]
    pub const fn trillionths(self) -> u64 {
        self.0
    }

    /// From trillionths.
    #[must_use]
    pub const fn from_trillionths(trillionths: u64) -> Self {
        Self(trillionths)
    }
}

impl Add for ExpectedHits {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for ExpectedHits {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

#[cfg(test)]
mod tests {
    use super::ExpectedHits;

    #[test]
    fn a_guess_is_worth_the_share_of_codes_that_lead_somewhere() {
        // One session, 800,000 numbers that could be its code.
        assert_eq!(ExpectedHits::of_guess(1, 6).trillionths(), 1_250_000);
        assert_eq!(ExpectedHits::of_guess(100, 6).trillionths(), 125_000_000);
        assert_eq!(ExpectedHits::of_guess(0, 6), ExpectedHits::NONE);
    }

    #[test]
    fn a_guess_at_short_codes_is_worth_no_more_when_most_codes_are_longer() {
        assert_eq!(
            ExpectedHits::of_guess(1_000_000, 6),
            ExpectedHits::of_guess(100, 6)
        );
        assert_eq!(
            ExpectedHits::of_guess(1_000_000, 10),
            ExpectedHits::of_guess(100, 6)
        );
    }

    #[test]
    fn a_chance_is_never_rounded_to_nothing() {
        assert!(ExpectedHits::of_guess(1, 12) > ExpectedHits::NONE);
        assert!(ExpectedHits::of_guess(u64::MAX, usize::MAX) > ExpectedHits::NONE);
    }
}
