//! `POST /v1/face-sessions/{id}/quit`

use crate::e::HttpError;
use crate::extract::{Authenticated, SessionPath};
use crate::responses::{AuthProblems, EndedProblems, SessionProblems};
use axum::extract::State;
use faceshare_logic::facesession::FaceSessions;
use http::StatusCode;
use std::sync::Arc;

/// Leaves a session over HTTP.
///
/// All members are notified with `httpQuit`; the caller's own sockets close with 1000.
#[utoipa::path(
    post,
    path = "/v1/face-sessions/{id}/quit",
    tag = "face-sessions",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The session")),
    responses((status = 204, description = "Done"), AuthProblems, EndedProblems, SessionProblems)
)]
pub async fn quit_face_session(
    Authenticated(caller): Authenticated,
    SessionPath(id): SessionPath,
    State(sessions): State<Arc<FaceSessions>>,
) -> Result<StatusCode, HttpError> {
    sessions.quit(caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
