//! Limits of request headers, and the headers of every response.

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request};
use faceshare_biz::{Error, ErrorCode};
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

/// `HEADERS_TOO_LARGE` when the path and the headers' names and values hold more than `max` bytes.
/// The listener's own limit is higher, so that this check answers with a document.
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

/// `UNSUPPORTED_MEDIA_TYPE` for a compressed body: bodies are never expanded, so their size is what
/// arrives. A path without a route is left to `NOT_FOUND`.
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

/// Headers of every response that does not set them itself.
const DEFAULTS: [(HeaderName, HeaderValue); 4] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// The value that makes browsers use TLS only, for this long. Without `includeSubDomains`:
/// subdomains may belong to others.
pub(crate) fn strict_transport(max_age: Duration) -> HeaderValue {
    HeaderValue::try_from(format!("max-age={}", max_age.as_secs()))
        .expect("invariant: digits make a header value")
}

/// Sets the security headers. Responses are not cached unless a handler allows it (they hold tokens
/// and names), keep their media type, load nothing, may not be framed, and send no referrer.
/// `strict` is the value of `Strict-Transport-Security`, for a listener over TLS.
pub(crate) fn secure(headers: &mut HeaderMap, strict: Option<&HeaderValue>) {
    if let Some(strict) = strict {
        headers.insert(STRICT_TRANSPORT_SECURITY, strict.clone());
    }
    headers.reserve(DEFAULTS.len() + 2);
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(value);
    }
}
