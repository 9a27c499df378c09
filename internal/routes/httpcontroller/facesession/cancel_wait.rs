//! `POST /v1/face-sessions/wait/cancel`

use super::wait::WaitRequest;
use crate::e::HttpError;
use crate::extract::{Authenticated, ValidJson};
use crate::responses::{AuthProblems, BodyProblems};
use axum::extract::State;
use faceshare_logic::facesession::FaceSessions;
use http::StatusCode;
use std::sync::Arc;

/// Withdraws a knock. For the caller that knocked.
///
/// The host is notified with `EXPIRED`, and `wait` answers `EXPIRED`. A knock that is already
/// decided stays as it is: 204 all the same. The caller may knock again.
///
/// # Errors
/// `INVALID_ARGUMENT` when the token is not one of the caller's.
#[utoipa::path(
    post,
    path = "/v1/face-sessions/wait/cancel",
    tag = "face-sessions",
    security(("bearer" = [])),
    request_body = WaitRequest,
    responses((status = 204, description = "The caller waits no longer"), AuthProblems, BodyProblems)
)]
pub async fn cancel_wait(
    Authenticated(caller): Authenticated,
    State(sessions): State<Arc<FaceSessions>>,
    ValidJson(request): ValidJson<WaitRequest>,
) -> Result<StatusCode, HttpError> {
    sessions.cancel_wait(caller, request.wait_token()).await?;
    Ok(StatusCode::NO_CONTENT)
}
