//! The layers around every route, from the outside in: [`unread_body`], [`observe`] (request id,
//! span, metrics, panics, problem documents, date and security headers), [`precheck`], CORS,
//! [`guard`] ([`rate`], size of the headers, content coding, [`deadline`]), and [`idempotency`] for
//! calls under a key.

mod date;
pub mod deadline;
mod first_seen;
pub mod guard;
pub mod headers;
pub mod idempotency;
pub mod observe;
pub mod origins;
pub mod precheck;
pub mod rate;
pub mod request_id;
mod request_metrics;
pub mod trace_context;
pub mod unread_body;

pub(crate) use self::first_seen::FirstSeen;

use self::idempotency::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED};
use self::origins::AllowedOrigins;
use crate::e::HttpError;
use axum::response::{IntoResponse, Response};
use faceshare_biz::Error;
use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, RETRY_AFTER};
use http::{HeaderName, Method};
use std::any::Any;
use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// The boxed future of a layer's response.
pub type ResponseFuture = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// Lets pages of these origins read responses. Credentials travel in headers, so pages may not use
/// cookies. `None` without origins.
pub fn cors(origins: &AllowedOrigins) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let origins = origins.clone();
    let request_headers = [
        AUTHORIZATION,
        CONTENT_TYPE,
        IF_NONE_MATCH,
        IDEMPOTENCY_KEY,
        request_id::X_REQUEST_ID,
        HeaderName::from_static("traceparent"),
        HeaderName::from_static("x-faceshare-cookie"),
    ];
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| {
            origins.contains(origin)
        }))
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers(request_headers)
        .expose_headers([
            request_id::X_REQUEST_ID,
            RETRY_AFTER,
            LOCATION,
            ETAG,
            IDEMPOTENCY_REPLAYED,
        ])
        .max_age(Duration::from_secs(600));
    Some(layer)
}

/// `INTERNAL` for a panic in a handler; its message goes to the log only.
pub(crate) fn panic_response(panic: Box<dyn Any + Send>) -> Response {
    let said = panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
    HttpError(Error::internal(
        said.unwrap_or_else(|| "a panic without a message".to_owned()),
    ))
    .into_response()
}
