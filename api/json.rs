//! Reading JSON as JSON means it: `3`, `3.0` and `30e-1` are one number.
//!
//! serde reads an integer only from a number without fraction and exponent. Some encoders write whole numbers with one of them (a language whose
//! only numbers are doubles, a proto3 encoder that prints `1e+06`). [`with_plain_integers`] brings such numbers to the form that serde reads.

/// The most digits of an integer that any type of ours can hold: `u64::MAX` has 20.
const MAX_DIGITS: usize = 20;

/// The same JSON, with each whole number that is written with a fraction or an exponent written without; `None` when it has no such number.
///
/// A number that is not whole, or has more than 20 digits, stays as it is. Text in strings is not touched. What is no JSON comes back as no JSON.
/// The time is linear in the length, and the result at most five times as long.
#[must_use]
pub fn with_plain_integers(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at = end_of_string(text, at),
            b'-' | b'+' | b'.' | b'0'..=b'9' => {
                let end = at
                    + text[at..]
                        .iter()
                        .take_while(|b| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'))
                        .count();
                if let Some(integer) = plain_integer(&text[at..end]) {
                    out.extend_from_slice(&text[copied..at]);
                    out.extend_from_slice(&integer);
                    copied = end;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(&text[copied..]);
    Some(out)
}

/// The index behind the string that begins at `start`.
fn end_of_string(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// The digits of a whole number that is written with a fraction or an exponent; `None` for any other.
fn plain_integer(number: &[u8]) -> Option<Vec<u8>> {
    let number = std::str::from_utf8(number).ok()?;
    let (negative, rest) = number
        .strip_prefix('-')
        .map_or((false, number), |rest| (true, rest));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let has_form_of_json =
        digits(whole) && digits(fraction) && (whole == "0" || !whole.starts_with('0'));
    if whole.len() == rest.len()
        || !has_form_of_json
        || !digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
    {
        return None;
    }
    // Where the decimal point belongs in the digits without leading and trailing zeros. An exponent too large for an i64 is of no use here;
    // one too large for its sum with a length is of none either.
    let fraction = fraction.trim_end_matches('0');
    let significant = format!("{whole}{fraction}");
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Some(b"0".to_vec());
    }
    let exponent: i64 = exponent.parse().ok()?;
    let shift = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let integer = if shift >= 0 {
        let zeros = usize::try_from(shift)
            .ok()
            .filter(|zeros| *zeros <= MAX_DIGITS)?;
        format!("{significant}{}", "0".repeat(zeros))
    } else {
        let cut = usize::try_from(shift.unsigned_abs()).ok()?;
        let (kept, dropped) = significant.split_at_checked(significant.len().checked_sub(cut)?)?;
        (dropped.bytes().all(|b| b == b'0') && !kept.is_empty()).then(|| kept.to_owned())?
    };
    let sign = if negative { "-" } else { "" };
    (integer.len() <= MAX_DIGITS).then(|| format!("{sign}{integer}").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::with_plain_integers;
    use proptest::prelude::*;
    use serde_json::Value;

    fn plain(text: &str) -> String {
        with_plain_integers(text.as_bytes()).map_or_else(
            || text.to_owned(),
            |out| String::from_utf8(out).expect("text stays text"),
        )
    }

    #[test]
    fn whole_numbers_lose_their_fraction_and_exponent() {
        for (written, means) in [
            ("3.0", "3"),
            ("-3.00", "-3"),
            ("1e1", "10"),
            ("1E+1", "10"),
            ("120e-1", "12"),
            ("1.5e1", "15"),
            ("-0.0", "0"),
            ("0e5", "0"),
            ("0.0e999999999999999999999", "0"),
            ("9007199254740993.0", "9007199254740993"),
            ("18446744073709551615e0", "18446744073709551615"),
            ("1.8446744073709551615e19", "18446744073709551615"),
            ("0.001e3", "1"),
            ("1e19", "10000000000000000000"),
        ] {
            assert_eq!(plain(written), means, "{written}");
        }
    }

    #[test]
    fn all_else_stays_as_it_is() {
        for text in [
            "3",
            "-7",
            "0",
            "0.5",
            "1e-1",
            "15e-2",
            "3.000000001",
            "1e999",
            "1e20",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "1e-9223372036854775808",
            "00.0",
            "01e1",
            "1.",
            "1.e1",
            ".5e1",
            "1e",
            "1e+-1",
            "0.0e+-1",
            "--1.0",
            "1.0.0",
            "\"3.0\"",
            r#""\"3.0""#,
            r#""\\\"1e1""#,
            "\"3.0",
            "",
            "true",
        ] {
            assert_eq!(with_plain_integers(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_stands_around_a_number_is_kept() {
        assert_eq!(
            plain(r#"{"a 1.0":[1.0,"2.0\"3.0",{"b":1e1}],"c":0.5}x"#),
            r#"{"a 1.0":[1,"2.0\"3.0",{"b":10}],"c":0.5}x"#
        );
    }

    proptest! {
        #[test]
        fn a_whole_number_means_the_same_wherever_its_point_stands(number in any::<u64>(), shift in 0..25_usize, zeros in 0..4_usize) {
            let digits = format!("{number:0>25}");
            let (whole, fraction) = digits.split_at(digits.len() - shift);
            let whole = whole.trim_start_matches('0');
            let whole = if whole.is_empty() { "0" } else { whole };
            let written = format!("{whole}.{fraction}0{}e{shift}", "0".repeat(zeros));
            prop_assert_eq!(plain(&written), number.to_string(), "{}", written);
        }

        #[test]
        fn any_json_stays_the_same_json(text in r#"[\[\]{}:,"\\ 0-9.eE+-]{0,40}"#) {
            let before = serde_json::from_str::<Value>(&text);
            let after = serde_json::from_str::<Value>(&plain(&text));
            prop_assert_eq!(before.as_ref().map(as_doubles).ok(), after.as_ref().map(as_doubles).ok());
        }

        #[test]
        fn the_result_is_bounded(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(with_plain_integers(&text).is_none_or(|out| out.len() <= 5 * text.len()));
        }
    }

    /// With every number as a double: how it is written is what may change.
    fn as_doubles(value: &Value) -> Value {
        match value {
            // The sign of zero is lost, which no integer has.
            Value::Number(number) => number
                .as_f64()
                .map(|n| if n == 0.0 { 0.0 } else { n })
                .into(),
            Value::Array(items) => items.iter().map(as_doubles).collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| (name.clone(), as_doubles(value)))
                .collect(),
            other => other.clone(),
        }
    }
}
