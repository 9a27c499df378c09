//! A bound on how long a request may take, its body included.

use crate::e::HttpError;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use faceshare_biz::{Error, ErrorCode};
use std::time::Duration;

/// Answers `REQUEST_TIMEOUT` for what is not done in time. An upgraded connection lives on: its request was done with the handshake.
pub async fn enforce(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => HttpError(Error::new(ErrorCode::RequestTimeout, "the request was not complete in time")).into_response(),
    }
}
