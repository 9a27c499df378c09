//! Headers: how large a request's may be, and what every response carries.

use crate::e::HttpError;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use faceshare_biz::{Error, ErrorCode};
use http::header::{CACHE_CONTROL, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue};

/// Bytes of the names and values of a request's headers. The listener's own limit lies higher, so that this one answers with a document.
#[derive(Debug, Clone, Copy)]
pub struct HeaderLimit(pub usize);

/// Answers `HEADERS_TOO_LARGE` for more than the limit.
pub async fn limit(State(HeaderLimit(max)): State<HeaderLimit>, request: Request, next: Next) -> Response {
    let fields: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let size = fields + request.uri().path_and_query().map_or(0, |p| p.as_str().len());
    if size > max {
        return HttpError(Error::new(ErrorCode::HeadersTooLarge, format!("path and headers hold {size} bytes; at most {max} are allowed")))
            .into_response();
    }
    next.run(request).await
}

/// Answers are not cached unless a handler says so (they hold tokens and people's names), are what they say they are, and tell no other site
/// where one came from.
pub async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    default(headers, CACHE_CONTROL, "no-store");
    default(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(headers, REFERRER_POLICY, "no-referrer");
    response
}

fn default(headers: &mut HeaderMap, name: http::HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}
