//! The short number by which a session is found.

use crate::domain::{SessionId, Timestamp};

/// The digits of a number code. A secret: masked in debug output, never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct NumberCode(Box<str>);

impl NumberCode {
    /// The fewest digits.
    pub const MIN_LENGTH: usize = 6;
    /// The most digits.
    pub const MAX_LENGTH: usize = 12;

    /// Reads what a person typed: blanks and hyphens do not count. `None`: not 6 to 12 digits.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        const TYPED_MAX: usize = 64;
        if typed.len() > TYPED_MAX {
            return None;
        }
        let digits: String = typed.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        let well_formed = (Self::MIN_LENGTH..=Self::MAX_LENGTH).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        well_formed.then(|| Self(digits.into()))
    }

    /// The digits.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for NumberCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NumberCode(***)")
    }
}

/// A number code as it is kept: found by its fingerprint, shown from its seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeRecord {
    /// Keyed hash of the digits; unique among live and quarantined codes.
    pub fingerprint: [u8; 32],
    /// The digits, encrypted.
    pub sealed: String,
    /// The session it leads to.
    pub session: SessionId,
    /// When it was made: its life is bounded from here.
    pub created_at: Timestamp,
    /// From then on it leads nowhere.
    pub expires_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::NumberCode;

    #[test]
    fn blanks_and_hyphens_do_not_count() {
        assert_eq!(NumberCode::parse(" 274-158 ").map(|c| c.digits().to_owned()), Some("274158".to_owned()));
    }

    #[test]
    fn what_is_not_six_to_twelve_digits_is_no_code() {
        for bad in ["", "12345", "1234567890123", "27415a", "２７４１５８", &"1 ".repeat(40)] {
            assert!(NumberCode::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn debug_output_never_shows_the_digits() {
        assert!(!format!("{:?}", NumberCode::parse("274158")).contains('2'));
    }
}
