//! The rules that make a code easy to read out and hard to guess by accident.

use crate::length::{MAX_LEN, MIN_LEN};

/// Whether the text is 6 to 12 ASCII digits and nothing else. The rules below are not checked.
#[must_use]
pub fn is_well_formed(code: &str) -> bool {
    let lengths = usize::from(MIN_LEN)..=usize::from(MAX_LEN);
    lengths.contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the text is a well-formed code that [`crate::generate`] could have made.
#[must_use]
pub fn is_allocatable(code: &str) -> bool {
    is_well_formed(code) && follows_the_rules(code.as_bytes())
}

/// The rules themselves, for 6 to 12 digits.
pub(crate) fn follows_the_rules(digits: &[u8]) -> bool {
    !(has_leading_zero(digits)
        || has_triple(digits)
        || has_run_of_four(digits)
        || is_palindrome(digits)
        || is_repeated_block(digits))
}

/// People and spreadsheets drop a leading zero.
fn has_leading_zero(digits: &[u8]) -> bool {
    digits.first() == Some(&b'0')
}

/// People lose count of a digit three times in a row.
fn has_triple(digits: &[u8]) -> bool {
    digits
        .windows(3)
        .any(|three| three[0] == three[1] && three[1] == three[2])
}

/// Four consecutive digits up or down. Digits do not wrap: 8901 and 1098 are not runs.
fn has_run_of_four(digits: &[u8]) -> bool {
    let rises = |pair: &[u8]| pair[0] + 1 == pair[1];
    let falls = |pair: &[u8]| pair[0] == pair[1] + 1;
    digits
        .windows(4)
        .any(|four| four.windows(2).all(rises) || four.windows(2).all(falls))
}

fn is_palindrome(digits: &[u8]) -> bool {
    digits.iter().eq(digits.iter().rev())
}

/// The whole code is a shorter block repeated, like 123123 or 121212.
fn is_repeated_block(digits: &[u8]) -> bool {
    (1..=digits.len() / 2)
        .filter(|block| digits.len().is_multiple_of(*block))
        .any(|block| digits.chunks(block).all(|chunk| chunk == &digits[..block]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_rule_refuses_what_it_names() {
        for code in ["012457", "112224", "111357", "482999"] {
            assert!(!is_allocatable(code), "zero or triple: {code}");
        }
        for code in ["123486", "861234", "432186", "860123", "986543", "567891"] {
            assert!(!is_allocatable(code), "run: {code}");
        }
        for code in ["482284", "4829284", "40822804"] {
            assert!(!is_allocatable(code), "palindrome: {code}");
        }
        for code in ["482482", "484848", "48254825", "481481481", "4821548215"] {
            assert!(!is_allocatable(code), "block: {code}");
        }
    }

    #[test]
    fn near_misses_of_each_rule_are_allocatable() {
        let near_misses = [
            "102457", "112244", "123867", "321864", "890127", "310986", "482285", "482483",
            "4824825", "484849", "489014", "410986",
        ];
        for code in near_misses {
            assert!(is_allocatable(code), "{code}");
        }
    }

    #[test]
    fn well_formed_is_about_digits_and_length_alone() {
        for code in ["000000", "123456", "999999999999"] {
            assert!(is_well_formed(code) && !is_allocatable(code), "{code}");
        }
        for code in [
            "",
            "12345",
            "1234567890123",
            "12345a",
            "123 456",
            "１２３４５６",
            "-12345",
        ] {
            assert!(!is_well_formed(code) && !is_allocatable(code), "{code}");
        }
    }

    #[test]
    fn four_in_five_codes_of_six_digits_are_allocatable() {
        let count = (0..1_000_000)
            .filter(|n| is_allocatable(&format!("{n:06}")))
            .count();
        // Occupancy is counted against 10^6: the rules must not exclude much of that.
        assert!((850_000..900_000).contains(&count), "{count}");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_rules_panic(text in ".{0,16}") {
            prop_assert!(!is_allocatable(&text) || is_well_formed(&text));
        }

        #[test]
        fn the_rules_do_not_depend_on_the_direction(code in "[1-9][0-9]{4,10}[1-9]") {
            let reversed: String = code.chars().rev().collect();
            prop_assert_eq!(is_allocatable(&code), is_allocatable(&reversed));
        }

        #[test]
        fn repeating_any_block_is_refused(block in "[1-9][0-9]{2,5}") {
            prop_assert!(!is_allocatable(&block.repeat(2)));
        }

        #[test]
        fn mirroring_any_half_is_refused(half in "[1-9][0-9]{2,5}") {
            let mirrored: String = half.chars().chain(half.chars().rev()).collect();
            prop_assert!(!is_allocatable(&mirrored));
        }
    }
}
