//! The `Date` header.
//!
//! hyper writes one where it is missing, but caches the text until a later second: after the clock
//! is set back, its date stands still.

use arc_swap::ArcSwap;
use faceshare_biz::domain::Timestamp;
use http::HeaderValue;
use std::sync::Arc;
use time::OffsetDateTime;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;

/// RFC 9110, section 5.6.7.
const FORMAT: StaticFormatDescription = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);

/// Formats dates, and caches the text of the current second.
#[derive(Debug, Default)]
pub(crate) struct DateHeader(ArcSwap<CachedDate>);

#[derive(Debug, Default)]
struct CachedDate {
    /// Seconds since 1970.
    second: i64,
    /// `None`: nothing is cached yet.
    value: Option<HeaderValue>,
}

impl DateHeader {
    /// `now` as a header value; `None` for a time beyond the format's range.
    pub(crate) fn at(&self, now: Timestamp) -> Option<HeaderValue> {
        let second = now.as_millis().div_euclid(1_000);
        let written = self.0.load();
        if written.second == second && written.value.is_some() {
            return written.value.clone();
        }
        let value = write(second);
        self.0.store(Arc::new(CachedDate {
            second,
            value: value.clone(),
        }));
        value
    }
}

fn write(second: i64) -> Option<HeaderValue> {
    let text = OffsetDateTime::from_unix_timestamp(second)
        .ok()?
        .format(FORMAT)
        .ok()?;
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::DateHeader;
    use faceshare_biz::domain::Timestamp;

    #[test]
    fn a_date_follows_the_clock_forwards_and_backwards() {
        let date = DateHeader::default();
        let at = |millis| date.at(Timestamp::from_millis(millis)).expect("a date");
        for (millis, text) in [
            (784_111_777_000, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_777_999, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_778_000, "Sun, 06 Nov 1994 08:49:38 GMT"),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_778_000, "Sun, 06 Nov 1994 08:49:38 GMT"),
        ] {
            assert_eq!(at(millis), text);
        }
    }

    #[test]
    fn a_time_beyond_the_calendar_has_no_date() {
        assert_eq!(
            DateHeader::default().at(Timestamp::from_millis(i64::MAX)),
            None
        );
    }
}
