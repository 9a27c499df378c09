//! A code as a value: people type it and read it.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

use crate::length::{MAX_LEN, MIN_LEN};
use crate::shape::{is_allocatable, is_well_formed};

/// The longest input that is parsed, in characters: room for what a code is pasted with.
pub const MAX_INPUT_CHARS: usize = 256;

/// Why a text is not a code. The text is not repeated: a mistyped code is nearly a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// The input is longer than [`MAX_INPUT_CHARS`].
    #[error("at most {MAX_INPUT_CHARS} characters are allowed")]
    InputTooLong,
    /// Something other than digits, white space and dashes.
    #[error("only digits, spaces and dashes are allowed")]
    NotADigit,
    /// Too few or too many digits.
    #[error("expected {MIN_LEN} to {MAX_LEN} digits")]
    Length,
}

/// A well-formed code: 6 to 12 digits. `Debug` does not show it, because anyone who knows it may
/// join.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Code(String);

impl Code {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the generator could have returned it; see [`is_allocatable`].
    #[must_use]
    pub fn is_allocatable(&self) -> bool {
        is_allocatable(&self.0)
    }

    /// The digits in groups of three and four, as people read them out: `123 456`, `123 4567`,
    /// `1234 5678`, `123 456 789`, `123 456 7890`, `123 4567 8901`, `123 456 789 012`. Groups of
    /// four come last.
    #[must_use]
    pub fn grouped(&self) -> String {
        let groups = self.0.len() / 3;
        let first_of_four = groups - self.0.len() % 3;
        let mut rest = self.0.as_str();
        let mut text = String::with_capacity(self.0.len() + groups);
        for group in 0..groups {
            let (head, tail) = rest.split_at(if group < first_of_four { 3 } else { 4 });
            if group > 0 {
                text.push(' ');
            }
            text.push_str(head);
            rest = tail;
        }
        text
    }

    /// The caller has checked that these are 6 to 12 digits.
    pub(crate) fn from_digits(digits: String) -> Self {
        debug_assert!(is_well_formed(&digits));
        Self(digits)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({} digits)", self.0.len())
    }
}

/// Parses a code as a person typed or pasted it. The input is brought to NFKC, so that full-width
/// digits count as digits; white space, line ends, hyphens and dashes of any kind are dropped.
///
/// # Errors
/// [`ShapeError`] says what is wrong with the input.
pub fn normalize(input: &str) -> Result<Code, ShapeError> {
    if input.chars().nth(MAX_INPUT_CHARS).is_some() {
        return Err(ShapeError::InputTooLong);
    }
    let mut digits = String::with_capacity(usize::from(MAX_LEN));
    for character in input.nfkc() {
        match character {
            '0'..='9' => digits.push(character),
            _ if is_space(character) || is_dash(character) => {}
            _ => return Err(ShapeError::NotADigit),
        }
    }
    if is_well_formed(&digits) {
        Ok(Code::from_digits(digits))
    } else {
        Err(ShapeError::Length)
    }
}

/// White space, and the spaces without a width that programs put in.
fn is_space(character: char) -> bool {
    character.is_whitespace()
        || matches!(character, '\u{180e}' | '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// Hyphens and dashes, the soft hyphen, minus signs, and the long-vowel mark, which Japanese keyboards give in the place of a dash.
fn is_dash(character: char) -> bool {
    character.general_category() == GeneralCategory::DashPunctuation
        || matches!(
            character,
            '\u{ad}' | '\u{2d7}' | '\u{2043}' | '\u{2053}' | '\u{2212}' | '\u{2796}' | '\u{30fc}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn separators_are_ignored_wherever_they_are() {
        for input in [
            "482915",
            "482 915",
            "482-915",
            " 4-8 2--915 ",
            "482\u{a0}915",
            "482\u{202f}915",
            "482\u{2009}915",
            "\u{feff}482\u{200b}915",
            "482\t915\r\n",
            "482\u{2028}915\u{85}",
            "482\u{2011}915",
            "482–915",
            "482—915",
            "482−915",
            "482\u{ad}915",
            "482ー915",
            "482－915",
            "482﹣915",
        ] {
            assert_eq!(
                normalize(input).expect("a code").as_str(),
                "482915",
                "{input:?}"
            );
        }
    }

    #[test]
    fn digits_are_read_in_their_compatible_forms_and_those_of_other_scripts_are_none() {
        for input in ["４８２９１５", "４８２　９１５", "𝟒𝟖𝟐𝟗𝟏𝟓", "⁴⁸²⁹¹⁵"]
        {
            assert_eq!(
                normalize(input).expect("a code").as_str(),
                "482915",
                "{input:?}"
            );
        }
        for input in ["٤٨٢٩١٥", "४८२९१५", "48291½"] {
            assert_eq!(normalize(input), Err(ShapeError::NotADigit), "{input:?}");
        }
    }

    #[test]
    fn a_code_that_cannot_be_allocated_is_still_read() {
        for input in ["000000", "123456", "012 345"] {
            assert!(
                !normalize(input).expect("well-formed").is_allocatable(),
                "{input}"
            );
        }
        assert!(normalize("482915").expect("well-formed").is_allocatable());
    }

    #[test]
    fn each_fault_has_its_error() {
        for input in ["", " - ", "48291", "4829154829154"] {
            assert_eq!(normalize(input), Err(ShapeError::Length), "{input:?}");
        }
        for input in [
            "48291a",
            "482_915",
            "482.915",
            "+482915",
            "482/915",
            "482\u{202e}915",
            "482\u{0}915",
            "482\u{301}915",
        ] {
            assert_eq!(normalize(input), Err(ShapeError::NotADigit), "{input:?}");
        }
        let spaced = |spaces: usize| format!("482915{}", " ".repeat(spaces));
        assert!(normalize(&spaced(MAX_INPUT_CHARS - 6)).is_ok());
        assert_eq!(
            normalize(&spaced(MAX_INPUT_CHARS - 5)),
            Err(ShapeError::InputTooLong)
        );
        assert_eq!(
            normalize(&" ".repeat(1 << 20)),
            Err(ShapeError::InputTooLong)
        );
    }

    #[test]
    fn groups_are_of_three_and_then_of_four() {
        let expected = [
            "123 456",
            "123 4567",
            "1234 5678",
            "123 456 789",
            "123 456 7890",
            "123 4567 8901",
            "123 456 789 012",
        ];
        for text in expected {
            assert_eq!(normalize(text).expect("a code").grouped(), text);
        }
    }

    #[test]
    fn debug_hides_the_digits() {
        assert_eq!(format!("{:?}", normalize("482915")), "Ok(Code(6 digits))");
    }

    proptest! {
        #[test]
        fn any_input_gives_a_well_formed_code_or_an_error(input in ".{0,40}") {
            if let Ok(code) = normalize(&input) {
                prop_assert!(is_well_formed(code.as_str()));
            }
        }

        #[test]
        fn separators_anywhere_change_nothing(digits in "[0-9]{6,12}", separators in proptest::collection::vec("[\\s\\p{Pd}]{0,3}", 13)) {
            let pasted: String = digits.chars().zip(&separators).map(|(digit, separator)| format!("{separator}{digit}")).collect();
            let code = normalize(&format!("{pasted}{}", separators[12]));
            prop_assert_eq!(code.as_ref().map(Code::as_str), Ok(digits.as_str()));
        }

        #[test]
        fn one_other_character_makes_it_no_code(digits in "[0-9]{6,11}", at in 0..6_usize, other in "[\\p{L}\\p{Po}\\p{S}\\p{Cc}]") {
            let mut typed = digits;
            typed.insert_str(at, &other);
            if let Ok(code) = normalize(&typed) {
                // NFKC makes digits of some letters and symbols, and a few symbols are dashes.
                prop_assert!(other.nfkc().all(|c| c.is_ascii_digit() || is_space(c) || is_dash(c)), "{:?} in {:?}", other, code.as_str());
            }
        }

        #[test]
        fn what_is_shown_reads_back(digits in "[0-9]{6,12}") {
            let code = normalize(&digits).expect("a code");
            prop_assert_eq!(normalize(&code.grouped()), Ok(code));
        }
    }
}
