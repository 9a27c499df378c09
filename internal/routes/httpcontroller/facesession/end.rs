//! `POST /v1/face-sessions/{id}/end`

use crate::e::HttpError;
use crate::extract::{Authenticated, SessionPath};
use crate::responses::{AuthProblems, EndedProblems, HostProblems, SessionProblems};
use axum::extract::State;
use faceshare_logic::facesession::FaceSessions;
use http::StatusCode;
use std::sync::Arc;

/// Ends a session. For the host.
///
/// All members are notified with `sessEnd`; every socket closes with 4010.
#[utoipa::path(
    post,
    path = "/v1/face-sessions/{id}/end",
    tag = "face-sessions",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The session")),
    responses((status = 204, description = "Done"), AuthProblems, HostProblems, EndedProblems, SessionProblems)
)]
pub async fn end_face_session(
    Authenticated(caller): Authenticated,
    SessionPath(id): SessionPath,
    State(sessions): State<Arc<FaceSessions>>,
) -> Result<StatusCode, HttpError> {
    sessions.end(caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
