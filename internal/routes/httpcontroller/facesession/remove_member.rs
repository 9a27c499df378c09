//! `DELETE /v1/face-sessions/{id}/members/{memberId}`

use crate::e::HttpError;
use crate::extract::{Authenticated, MemberPath};
use crate::responses::{AuthProblems, EndedProblems, HostProblems, QueryProblems, SessionProblems};
use axum::extract::State;
use faceshare_logic::facesession::FaceSessions;
use http::StatusCode;
use std::sync::Arc;

/// Removes a member. For the host.
///
/// All members are notified with `quit`, reason `REMOVED`. The member's sockets close with 4003,
/// and it cannot return to this session.
#[utoipa::path(
    delete,
    path = "/v1/face-sessions/{id}/members/{memberId}",
    tag = "face-sessions",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The session"), ("memberId" = String, Path, description = "The member")),
    responses((status = 204, description = "Done"), AuthProblems, QueryProblems, HostProblems, EndedProblems, SessionProblems)
)]
pub async fn remove_member(
    Authenticated(caller): Authenticated,
    path: MemberPath,
    State(sessions): State<Arc<FaceSessions>>,
) -> Result<StatusCode, HttpError> {
    sessions.remove(caller, path.session, path.member).await?;
    Ok(StatusCode::NO_CONTENT)
}
