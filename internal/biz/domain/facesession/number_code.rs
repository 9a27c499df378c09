//! Number codes: the short numbers by which sessions are found.

use crate::domain::{SessionId, Timestamp};

/// The digits of a number code. A secret: masked in debug output, never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct NumberCode(Box<str>);

impl NumberCode {
    /// The shortest code, in digits.
    pub const MIN_LENGTH: usize = 6;
    /// The longest code, in digits.
    pub const MAX_LENGTH: usize = 12;

    /// `None` unless these are 6 to 12 ASCII digits and nothing else.
    #[must_use]
    pub fn new(digits: &str) -> Option<Self> {
        let well_formed = (Self::MIN_LENGTH..=Self::MAX_LENGTH).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit());
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

/// A stored number code: found by its fingerprint, shown from its sealed digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeRecord {
    /// Keyed hash of the digits; unique among live and quarantined codes.
    pub fingerprint: [u8; 32],
    /// The digits, encrypted.
    pub sealed: String,
    /// The session it leads to.
    pub session: SessionId,
    /// When it was created; its longest lifetime counts from here.
    pub created_at: Timestamp,
    /// The code stops working then.
    pub expires_at: Timestamp,
    /// The effect id of the call that assigned it; `None`: a call without an idempotency key.
    pub effect: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::NumberCode;

    #[test]
    fn what_is_not_six_to_twelve_digits_is_no_code() {
        assert_eq!(
            NumberCode::new("274158").map(|c| c.digits().to_owned()),
            Some("274158".to_owned())
        );
        for bad in [
            "",
            "12345",
            "1234567890123",
            "27415a",
            "２７４１５８",
            "274 158",
        ] {
            assert!(NumberCode::new(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn debug_output_never_shows_the_digits() {
        assert!(!format!("{:?}", NumberCode::new("274158")).contains('2'));
    }
}
