//! A bound on how long a request may take, its body included.

use crate::e::HttpError;
use axum::response::{IntoResponse, Response};
use faceshare_biz::{Error, ErrorCode};
use faceshare_logic::facesession::WAIT_POLL;
use std::convert::Infallible;
use std::time::Duration;

/// The one call that is held open on purpose.
pub(crate) const WAIT_PATH: &str = "/v1/face-sessions/wait";

/// How long a request to `path` may take: whoever waits to be let in is kept waiting beside the limit.
pub fn of(limit: Duration, path: &str) -> Duration {
    if path == WAIT_PATH { limit + WAIT_POLL } else { limit }
}

/// Answers `REQUEST_TIMEOUT` for what is not done in time. An upgraded connection lives on: its request was done with the handshake.
pub async fn enforce(limit: Duration, answer: impl Future<Output = Result<Response, Infallible>>) -> Result<Response, Infallible> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer,
        Err(_) => Ok(HttpError(Error::new(ErrorCode::RequestTimeout, "the request was not complete in time")).into_response()),
    }
}
