//! Text forms of ids, times and durations in JSON.

use faceshare_biz::domain::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// A 64-bit id as a decimal string, safe in JavaScript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdText<T>(pub T);

impl<T: Copy + Into<u64>> Serialize for IdText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(itoa::Buffer::new().format(self.0.into()))
    }
}

impl<'de, T: FromStr> Deserialize<'de> for IdText<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(IdVisitor(PhantomData))
    }
}

/// Parses the digits in place, without an allocation.
struct IdVisitor<T>(PhantomData<T>);

impl<T: FromStr> de::Visitor<'_> for IdVisitor<T> {
    type Value = IdText<T>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<IdText<T>, E> {
        text.parse()
            .map(IdText)
            .map_err(|_| E::custom("is not an id: a decimal number in a string is expected"))
    }
}

/// A time as `YYYY-MM-DDTHH:MM:SS.sssZ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-03-01T09:30:00.000Z")]
pub(crate) struct TimeText(pub Timestamp);

impl Serialize for TimeText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (seconds, millis) = (
            self.0.as_millis().div_euclid(1_000),
            self.0.as_millis().rem_euclid(1_000),
        );
        let at = OffsetDateTime::from_unix_timestamp(seconds).map_err(ser::Error::custom)?;
        let year = u16::try_from(at.year()).map_err(ser::Error::custom)?;
        // Written digit by digit: most responses hold a time, and the formatter took longer than
        // everything else in them.
        let mut text = *b"0000-00-00T00:00:00.000Z";
        put(&mut text[0..4], year);
        put(&mut text[5..7], u8::from(at.month()).into());
        put(&mut text[8..10], at.day().into());
        put(&mut text[11..13], at.hour().into());
        put(&mut text[14..16], at.minute().into());
        put(&mut text[17..19], at.second().into());
        // A remainder below 1,000 fits `u16`.
        put(&mut text[20..23], millis as u16);
        serializer.serialize_str(str::from_utf8(&text).map_err(ser::Error::custom)?)
    }
}

/// Writes the last digits of a number, one for each byte of `places`.
fn put(places: &mut [u8], mut number: u16) {
    for place in places.iter_mut().rev() {
        // A remainder below 10 fits `u8`.
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// A duration in seconds with the unit: `"20s"`, `"1.500s"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, example = "1800s", pattern = r"^\d+(\.\d{1,9})?s$")]
pub(crate) struct DurationText(pub Duration);

impl FromStr for DurationText {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "is not a duration: seconds with their unit are expected, such as \"20s\" or \"1.500s\"";
        let number = text.strip_suffix('s').ok_or(EXPECTED)?;
        let (whole, fraction) = number
            .split_once('.')
            .map_or((number, None), |(w, f)| (w, Some(f)));
        let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || fraction.is_some_and(|f| !digits(f) || f.len() > 9) {
            return Err(EXPECTED);
        }
        let seconds = whole.parse().map_err(|_| EXPECTED)?;
        let nanos = fraction
            .map_or(Ok(0), |f| format!("{f:0<9}").parse())
            .map_err(|_| EXPECTED)?;
        Ok(Self(Duration::new(seconds, nanos)))
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationVisitor)
    }
}

/// Text with a unit; a plain number counts as seconds, as `expiresIn` in responses does.
struct DurationVisitor;

impl de::Visitor<'_> for DurationVisitor {
    type Value = DurationText;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a duration such as \"20s\" or \"1.500s\", or a number of seconds")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<DurationText, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<DurationText, E> {
        Ok(DurationText(Duration::from_secs(seconds)))
    }
}

/// Seconds from `now` to `end`, rounded to the nearest: a token issued a millisecond ago has its
/// full lifetime.
pub(crate) fn seconds_until(end: Timestamp, now: Timestamp) -> u64 {
    (end.since(now) + Duration::from_millis(500)).as_secs()
}

#[cfg(test)]
mod tests {
    use super::{DurationText, IdText, TimeText};
    use faceshare_biz::domain::{AccountId, Timestamp};
    use std::time::Duration;

    #[test]
    fn times_have_milliseconds_and_z() {
        let text =
            |ms| serde_json::to_value(TimeText(Timestamp::from_millis(ms))).expect("serialises");
        assert_eq!(text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(1_700_000_000_007), "2023-11-14T22:13:20.007Z");
        assert_eq!(text(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(text(253_402_300_799_999), "9999-12-31T23:59:59.999Z");
        for far in [253_402_300_800_000, i64::MIN, i64::MAX, -62_167_219_200_001] {
            assert!(
                serde_json::to_value(TimeText(Timestamp::from_millis(far))).is_err(),
                "{far}"
            );
        }
    }

    #[test]
    fn durations_are_seconds_with_a_unit() {
        assert_eq!("20s".parse(), Ok(DurationText(Duration::from_secs(20))));
        assert_eq!(
            "1.500s".parse(),
            Ok(DurationText(Duration::from_millis(1_500)))
        );
        for bad in [
            "",
            "s",
            "20",
            "5m",
            "-1s",
            "1.s",
            ".5s",
            "1e3s",
            " 1s",
            "1.1234567890s",
            "99999999999999999999s",
        ] {
            assert!(bad.parse::<DurationText>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_are_strings() {
        let id = IdText(AccountId::new(42).expect("an id"));
        assert_eq!(serde_json::to_value(id).expect("serialises"), "42");
        assert_eq!(
            serde_json::from_str::<IdText<AccountId>>("\"42\"").expect("reads"),
            id
        );
        assert!(serde_json::from_str::<IdText<AccountId>>("42").is_err());
        assert!(serde_json::from_str::<IdText<AccountId>>("\"x\"").is_err());
    }
}
