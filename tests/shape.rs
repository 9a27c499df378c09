//! Checks of the format of times, ids and number codes.

use serde_json::Value;

/// Fails unless every time in `value` is exactly `YYYY-MM-DDTHH:MM:SS.sssZ` and every id is a
/// decimal string.
///
/// Fields named `at`, `since` or `…At` are times. Fields named `…Id` are ids, except `requestId`,
/// which the client may choose.
///
/// # Panics
/// When a time or an id has another format.
pub fn assert_times_and_ids(value: &Value) {
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, field)| assert_field(name, field)),
        Value::Array(items) => items.iter().for_each(assert_times_and_ids),
        _ => {}
    }
}

fn assert_field(name: &str, field: &Value) {
    let time = matches!(name, "at" | "since") || name.ends_with("At");
    let id = name.ends_with("Id") && name != "requestId";
    match field {
        Value::Object(_) | Value::Array(_) => assert_times_and_ids(field),
        Value::Null => {}
        _ if time => assert!(
            field.as_str().is_some_and(is_time),
            "{name} is no time: {field}"
        ),
        _ if id => assert!(
            field.as_str().is_some_and(is_id),
            "{name} is no id: {field}"
        ),
        _ => {}
    }
}

/// Whether a text is exactly `YYYY-MM-DDTHH:MM:SS.sssZ`.
#[must_use]
pub fn is_time(text: &str) -> bool {
    const PATTERN: &[u8] = b"0000-00-00T00:00:00.000Z";
    let fits = |(byte, pattern): (u8, &u8)| {
        if *pattern == b'0' {
            byte.is_ascii_digit()
        } else {
            byte == *pattern
        }
    };
    text.len() == PATTERN.len() && text.bytes().zip(PATTERN).all(fits)
}

/// Whether a text is an id: a decimal number that is not 0.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.parse::<u64>()
        .is_ok_and(|id| id > 0 && id.to_string() == text)
}

/// Whether a text is a number code that the server may allocate: 6 to 12 digits, and none of the
/// shapes that people guess first.
#[must_use]
pub fn is_number_code(code: &str) -> bool {
    let digits: Vec<i16> = code
        .bytes()
        .map(|byte| i16::from(byte) - i16::from(b'0'))
        .collect();
    let all_digits = code.bytes().all(|byte| byte.is_ascii_digit());
    let thrice = digits
        .windows(3)
        .any(|three| three[0] == three[1] && three[1] == three[2]);
    let run = |step: i16| {
        digits
            .windows(4)
            .any(|four| four.windows(2).all(|pair| pair[1] - pair[0] == step))
    };
    let palindrome = digits.iter().eq(digits.iter().rev());
    let blocks = (1..digits.len()).any(|size| {
        digits.len().is_multiple_of(size)
            && digits.chunks(size).all(|block| block == &digits[..size])
    });
    all_digits
        && (6..=12).contains(&digits.len())
        && digits[0] != 0
        && !thrice
        && !run(1)
        && !run(-1)
        && !palindrome
        && !blocks
}

#[cfg(test)]
mod tests {
    use super::{is_id, is_number_code, is_time};

    #[test]
    fn a_time_has_three_digits_and_z() {
        assert!(is_time("2026-01-02T03:04:05.678Z"));
        for bad in [
            "2026-01-02T03:04:05Z",
            "2026-01-02T03:04:05.678+00:00",
            "2026-01-02T03:04:05.678901Z",
            "20s",
            "",
        ] {
            assert!(!is_time(bad), "{bad}");
        }
    }

    #[test]
    fn an_id_is_a_decimal_number() {
        assert!(is_id("7301"));
        for bad in ["0", "", "-1", "07", "1.5", "18446744073709551616"] {
            assert!(!is_id(bad), "{bad}");
        }
    }

    #[test]
    fn a_code_has_no_shape_that_is_guessed_first() {
        assert!(is_number_code("719428"));
        for bad in [
            "019428",
            "711128",
            "123498",
            "943218",
            "719917",
            "719719",
            "717171",
            "71942",
            "7194280000000",
            "71942a",
        ] {
            assert!(!is_number_code(bad), "{bad}");
        }
    }
}
