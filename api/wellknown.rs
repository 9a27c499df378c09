//! `google.protobuf.Timestamp` and `Duration` with the JSON form that every stock parser reads:
//! `2026-01-02T03:04:05.678Z` and `20s`.

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const NANOS_PER_MILLI: i32 = 1_000_000;

/// A point in time, to the nanosecond on the wire; this project uses milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds within the second, 0..=999,999,999.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl Timestamp {
    /// Converts milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        let nanos = i32::try_from(millis.rem_euclid(1000)).expect("invariant: below 1000")
            * NANOS_PER_MILLI;
        Self {
            seconds: millis.div_euclid(1000),
            nanos,
        }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z, rounded down; saturates.
    #[must_use]
    pub fn as_millis(&self) -> i64 {
        self.seconds
            .saturating_mul(1000)
            .saturating_add(i64::from(self.nanos / NANOS_PER_MILLI))
    }
}

impl std::fmt::Display for Timestamp {
    /// Formats `YYYY-MM-DDTHH:MM:SS.sssZ`; only the seconds for a time outside the years 0 to 9999.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = OffsetDateTime::from_unix_timestamp(self.seconds)
            .ok()
            .filter(|t| t.year() >= 0);
        let Some(t) = time else {
            return write!(f, "{}s", self.seconds);
        };
        let (year, month, day) = (t.year(), u8::from(t.month()), t.day());
        let (hour, minute, second, milli) = (
            t.hour(),
            t.minute(),
            t.second(),
            self.nanos / NANOS_PER_MILLI,
        );
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TimestampVisitor)
    }
}

struct TimestampVisitor;

impl Visitor<'_> for TimestampVisitor {
    type Value = Timestamp;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a time like 2026-01-02T03:04:05.678Z")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
        let time = OffsetDateTime::parse(text, &Rfc3339)
            .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))?;
        let nanos = i32::try_from(time.nanosecond()).expect("invariant: below a second");
        Ok(Timestamp {
            seconds: time.unix_timestamp(),
            nanos,
        })
    }
}

/// A span of time, to the nanosecond on the wire; this project uses milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Duration {
    /// Whole seconds; of the same sign as `nanos`.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds within the second, -999,999,999..=999,999,999.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl Duration {
    /// Converts milliseconds.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        let nanos = i32::try_from(millis % 1000).expect("invariant: below 1000") * NANOS_PER_MILLI;
        Self {
            seconds: millis / 1000,
            nanos,
        }
    }

    /// Milliseconds, rounded towards zero; saturates.
    #[must_use]
    pub fn as_millis(&self) -> i64 {
        self.seconds
            .saturating_mul(1000)
            .saturating_add(i64::from(self.nanos / NANOS_PER_MILLI))
    }
}

impl std::fmt::Display for Duration {
    /// Formats `20s`, or `1.500s` with milliseconds.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.seconds < 0 || self.nanos < 0 {
            "-"
        } else {
            ""
        };
        let (seconds, millis) = (
            self.seconds.unsigned_abs(),
            (self.nanos / NANOS_PER_MILLI).unsigned_abs(),
        );
        if millis == 0 {
            write!(f, "{sign}{seconds}s")
        } else {
            write!(f, "{sign}{seconds}.{millis:03}s")
        }
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(DurationVisitor)
    }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a duration like 20s or 1.500s")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        parse_duration(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    let (negative, number) = number
        .strip_prefix('-')
        .map_or((false, number), |rest| (true, rest));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 9 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let nanos: i32 = format!("{fraction:0<9}").parse().ok()?;
    Some(if negative {
        Duration {
            seconds: -seconds,
            nanos: -nanos,
        }
    } else {
        Duration { seconds, nanos }
    })
}

#[cfg(test)]
mod tests {
    use super::{Duration, Timestamp};

    #[test]
    fn times_have_exactly_three_digits_and_z() {
        for (millis, text) in [
            (0, "\"1970-01-01T00:00:00.000Z\""),
            (1, "\"1970-01-01T00:00:00.001Z\""),
            (-1, "\"1969-12-31T23:59:59.999Z\""),
            (1_800_000_000_120, "\"2027-01-15T08:00:00.120Z\""),
        ] {
            let time = Timestamp::from_millis(millis);
            assert_eq!(serde_json::to_string(&time).expect("serialises"), text);
            assert_eq!(
                serde_json::from_str::<Timestamp>(text).expect("parses"),
                time
            );
            assert_eq!(time.as_millis(), millis);
        }
    }

    #[test]
    fn times_with_an_offset_are_parsed_and_other_text_is_refused() {
        let time: Timestamp =
            serde_json::from_str("\"1970-01-01T01:00:00+01:00\"").expect("parses");
        assert_eq!(time.as_millis(), 0);
        assert!(serde_json::from_str::<Timestamp>("\"yesterday\"").is_err());
        assert!(serde_json::from_str::<Timestamp>("12").is_err());
    }

    #[test]
    fn durations_are_parsed_as_they_are_written() {
        for (millis, text) in [
            (20_000, "\"20s\""),
            (1_500, "\"1.500s\""),
            (-1_500, "\"-1.500s\""),
            (0, "\"0s\""),
        ] {
            let duration = Duration::from_millis(millis);
            assert_eq!(serde_json::to_string(&duration).expect("serialises"), text);
            assert_eq!(
                serde_json::from_str::<Duration>(text).expect("parses"),
                duration
            );
            assert_eq!(duration.as_millis(), millis);
        }
        for bad in [
            "\"20\"",
            "\"s\"",
            "\"1.s2\"",
            "\"--1s\"",
            "\"1.1234567890s\"",
        ] {
            assert!(serde_json::from_str::<Duration>(bad).is_err(), "{bad}");
        }
    }
}
