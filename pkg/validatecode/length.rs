//! How long codes must be.

/// Least digits of a code.
pub const MIN_LEN: u8 = 6;
/// Most digits of a code.
pub const MAX_LEN: u8 = 12;

/// At most one number in this many may be a live code, so one guess hits with a chance of 1e-4.
const GUESSES_PER_HIT: u64 = 10_000;

/// The number of digits of a code: 6 to 12.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeLength(u8);

/// The number of digits is out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code has {MIN_LEN} to {MAX_LEN} digits, not {0}")]
pub struct LengthError(pub u8);

impl CodeLength {
    /// Accepts 6 to 12 digits.
    ///
    /// # Errors
    /// [`LengthError`] for any other number.
    pub fn new(digits: u8) -> Result<Self, LengthError> {
        if (MIN_LEN..=MAX_LEN).contains(&digits) {
            Ok(Self(digits))
        } else {
            Err(LengthError(digits))
        }
    }

    /// The smallest length at which `live` codes are at most one ten-thousandth of all numbers of
    /// that length; the largest length when none suffices (beyond 10^8 live codes).
    #[must_use]
    pub fn for_live(live: u64) -> Self {
        (MIN_LEN..MAX_LEN)
            .map(Self)
            .find(|length| live <= length.numbers() / GUESSES_PER_HIT)
            .unwrap_or(Self(MAX_LEN))
    }

    /// One digit more, up to the largest length.
    #[must_use]
    pub fn longer(self) -> Self {
        Self((self.0 + 1).min(MAX_LEN))
    }

    /// The number of digits.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// How many numbers have at most this many digits: 10^length.
    pub(crate) fn numbers(self) -> u64 {
        10_u64.pow(u32::from(self.0))
    }
}

/// [`CodeLength::for_live`] as a bare number of digits.
#[must_use]
pub fn length_for(live: u64) -> u8 {
    CodeLength::for_live(live).get()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_length_grows_exactly_where_occupancy_would_exceed_one_in_ten_thousand() {
        let expected = [
            (0, 6),
            (100, 6),
            (101, 7),
            (1_000, 7),
            (1_001, 8),
            (10_000, 8),
            (100_001, 10),
            (10_000_000, 11),
            (10_000_001, 12),
            (100_000_000, 12),
            (u64::MAX, 12),
        ];
        for (live, length) in expected {
            assert_eq!(length_for(live), length, "{live} live");
        }
    }

    #[test]
    fn lengths_are_six_to_twelve() {
        assert_eq!(CodeLength::new(5), Err(LengthError(5)));
        assert_eq!(CodeLength::new(13), Err(LengthError(13)));
        let twelve = CodeLength::new(12).expect("a length");
        assert_eq!(CodeLength::new(11).map(CodeLength::longer), Ok(twelve));
        assert_eq!(twelve.longer(), twelve);
    }

    proptest! {
        #[test]
        fn the_length_is_the_smallest_that_suffices(live in 0..=100_000_000_u64) {
            let length = CodeLength::for_live(live);
            prop_assert!(live * GUESSES_PER_HIT <= length.numbers());
            prop_assert!(length.get() == MIN_LEN || live * GUESSES_PER_HIT > length.numbers() / 10);
        }
    }
}
