//! HTTP dates.

use std::time::{Duration, SystemTime};

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
const LEN: usize = 29;

/// The instant that a date names. Only the one form that HTTP allows to be sent is read: two
/// spellings of one date would be two signatures of one request.
pub(crate) fn parse(text: &str) -> Option<SystemTime> {
    let at = (text.len() == LEN)
        .then(|| httpdate::parse_http_date(text).ok())
        .flatten()?;
    (httpdate::fmt_http_date(at) == text).then_some(at)
}

/// Writes a time as a date; what is finer than a second is cut off.
pub(crate) fn format(at: SystemTime) -> String {
    httpdate::fmt_http_date(at)
}

/// How far two instants are apart.
pub(crate) fn distance(a: SystemTime, b: SystemTime) -> Duration {
    a.duration_since(b)
        .unwrap_or_else(|reversed| reversed.duration())
}
