//! Headers: how large a request's may be, and what every response carries.

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request};
use faceshare_biz::{Error, ErrorCode};
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

/// `HEADERS_TOO_LARGE` for more bytes than this in the path and the headers' names and values. The listener's own limit lies higher, so that
/// this one answers with a document.
pub(crate) fn check(max: usize, request: &Request) -> Result<(), Error> {
    let fields: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    let size = fields
        + request
            .uri()
            .path_and_query()
            .map_or(0, |p| p.as_str().len());
    if size > max {
        return Err(Error::new(
            ErrorCode::HeadersTooLarge,
            format!("path and headers hold {size} bytes; at most {max} are allowed"),
        ));
    }
    Ok(())
}

/// `UNSUPPORTED_MEDIA_TYPE` for a body that is compressed: none is expanded, so that its size is what arrives. Where there is no route,
/// `NOT_FOUND` says more.
pub(crate) fn check_coding(request: &Request) -> Result<(), Error> {
    let mut codings = request
        .headers()
        .get_all(CONTENT_ENCODING)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let has_route = request.extensions().get::<MatchedPath>().is_some();
    let is_plain = |coding: &[u8]| {
        matches!(coding.trim_ascii(), b"") || coding.trim_ascii().eq_ignore_ascii_case(b"identity")
    };
    if request.body().is_end_stream() || !has_route || codings.all(is_plain) {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::UnsupportedMediaType,
        "the body must be sent as it is, without a Content-Encoding",
    ))
}

/// What every answer has unless it says otherwise.
const DEFAULTS: [(HeaderName, HeaderValue); 4] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// For so long browsers come over TLS alone. Not for subdomains: they may be somebody else's.
pub(crate) fn strict_transport(max_age: Duration) -> HeaderValue {
    HeaderValue::try_from(format!("max-age={}", max_age.as_secs()))
        .expect("invariant: digits make a header value")
}

/// Answers are not cached unless a handler says so (they hold tokens and people's names), are what they say they are, load nothing and sit in
/// nobody's frame, and tell no other site where one came from. `strict`: for a listener over TLS.
pub(crate) fn secure(headers: &mut HeaderMap, strict: Option<&HeaderValue>) {
    if let Some(strict) = strict {
        headers.insert(STRICT_TRANSPORT_SECURITY, strict.clone());
    }
    headers.reserve(DEFAULTS.len() + 2);
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(value);
    }
}
