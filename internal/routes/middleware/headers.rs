//! Headers: how large a request's may be, and what every response carries.

use axum::extract::Request;
use faceshare_biz::{Error, ErrorCode};
use http::header::{CACHE_CONTROL, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue};

/// `HEADERS_TOO_LARGE` for more bytes than this in the path and the headers' names and values. The listener's own limit lies higher, so that
/// this one answers with a document.
pub(crate) fn check(max: usize, request: &Request) -> Result<(), Error> {
    let fields: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let size = fields + request.uri().path_and_query().map_or(0, |p| p.as_str().len());
    if size > max {
        return Err(Error::new(ErrorCode::HeadersTooLarge, format!("path and headers hold {size} bytes; at most {max} are allowed")));
    }
    Ok(())
}

/// Answers are not cached unless a handler says so (they hold tokens and people's names), are what they say they are, and tell no other site
/// where one came from.
pub(crate) fn secure(headers: &mut HeaderMap) {
    default(headers, CACHE_CONTROL, "no-store");
    default(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(headers, REFERRER_POLICY, "no-referrer");
}

fn default(headers: &mut HeaderMap, name: http::HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}
