//! Durations as the configuration writes them: a number and a unit, `"200ms"`, `"1.500s"`, `"5m"`,
//! `"720h"`, `"30d"`.

use std::time::Duration;

/// What error messages say is expected.
pub(super) const EXAMPLES: &str = r#"a duration such as "200ms", "1.500s", "5m", "24h" or "30d""#;

/// Units with their length in milliseconds. `ms` comes before `s`, because it ends in `s` too.
const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Reads a duration of whole milliseconds. Only seconds take a fraction, of at most three digits.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let (unit, scale) = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit))?;
    let number = text.strip_suffix(unit)?;
    let millis = match number.split_once('.') {
        None => digits(number)?.checked_mul(scale)?,
        Some((whole, fraction)) if unit == "s" && (1..=3).contains(&fraction.len()) => {
            let missing = u32::try_from(3 - fraction.len()).ok()?;
            let thousandths = digits(fraction)? * 10_u64.pow(missing);
            digits(whole)?
                .checked_mul(scale)?
                .checked_add(thousandths)?
        }
        Some(_) => return None,
    };
    Some(Duration::from_millis(millis))
}

/// Writes `duration` with the largest unit, of hours at most, that leaves no remainder.
pub(super) fn format(duration: Duration) -> String {
    let millis = duration.as_millis();
    match millis {
        0 => "0ms".to_owned(),
        _ if millis.is_multiple_of(3_600_000) => format!("{}h", millis / 3_600_000),
        _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
        _ if millis.is_multiple_of(1_000) => format!("{}s", millis / 1_000),
        _ if millis > 1_000 => format!("{}.{:03}s", millis / 1_000, millis % 1_000),
        _ => format!("{millis}ms"),
    }
}

/// Digits alone: `u64::from_str` would take a sign as well.
fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read() {
        for (text, millis) in [
            ("0ms", 0),
            ("200ms", 200),
            ("20s", 20_000),
            ("1.5s", 1_500),
            ("1.500s", 1_500),
            ("0.007s", 7),
            ("5m", 300_000),
            ("720h", 2_592_000_000),
            ("30d", 2_592_000_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_but_digits_and_one_unit_is_refused() {
        for text in [
            "",
            "s",
            "5",
            "-5s",
            "+5s",
            "5 s",
            "5S",
            "1.s",
            ".5s",
            "1.2345s",
            "1.5m",
            "1h30m",
            "5w",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_formatted_duration_is_parsed_back() {
        for millis in [
            0,
            7,
            200,
            1_000,
            1_500,
            30_000,
            90_000,
            900_000,
            3_600_000,
            2_592_000_000,
        ] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse(&format(duration)), Some(duration));
        }
        assert_eq!(format(Duration::from_millis(1_500)), "1.500s");
        assert_eq!(format(Duration::from_secs(2_592_000)), "720h");
    }
}
