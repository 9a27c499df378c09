//! `DELETE /v1/face-sessions/{id}/invoke-link`

use crate::e::HttpError;
use crate::extract::{Authenticated, SessionPath};
use crate::responses::{AuthProblems, EndedProblems, HostProblems, SessionProblems};
use axum::extract::State;
use faceshare_logic::facesession::FaceSessions;
use http::StatusCode;
use std::sync::Arc;

/// Revokes the invite link. For the host.
///
/// It stops working at once.
#[utoipa::path(
    delete,
    path = "/v1/face-sessions/{id}/invoke-link",
    tag = "face-sessions",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The session")),
    responses((status = 204, description = "Done"), AuthProblems, HostProblems, EndedProblems, SessionProblems)
)]
pub async fn revoke_invite(
    Authenticated(caller): Authenticated,
    SessionPath(id): SessionPath,
    State(sessions): State<Arc<FaceSessions>>,
) -> Result<StatusCode, HttpError> {
    sessions.revoke_invite(caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
