//! The layers around every route, from the outside in: [`unread_body`], [`observe`] (request id,
//! span, metrics, panics, problem documents, date and security headers), [`precheck`], [`cors`],
//! [`guard`] ([`rate`], size of the headers, content coding, [`deadline`]), and [`idempotency`] for
//! calls under a key.

pub mod cors;
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

use crate::e::HttpError;
use axum::response::{IntoResponse, Response};
use faceshare_biz::Error;
use std::any::Any;
use std::convert::Infallible;
use std::pin::Pin;

/// The boxed future of a layer's response.
pub type ResponseFuture = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

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
