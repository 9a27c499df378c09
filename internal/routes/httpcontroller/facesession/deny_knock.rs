//! `POST /v1/face-sessions/{id}/knocks/{knockId}/deny`

use crate::e::HttpError;
use crate::extract::{Authenticated, KnockPath};
use crate::responses::{
    AuthProblems, ConflictProblems, EndedProblems, HostProblems, SessionProblems,
};
use axum::extract::State;
use faceshare_logic::facesession::FaceSessions;
use faceshare_logic::instruction::exec::KnockAnswer;
use http::StatusCode;
use std::sync::Arc;

/// Refuses a client that waits at the session. For the host.
///
/// The client cannot knock at this session again, nor join by its code or an invite.
#[utoipa::path(
    post,
    path = "/v1/face-sessions/{id}/knocks/{knockId}/deny",
    tag = "face-sessions",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The session"), ("knockId" = String, Path, description = "The knock")),
    responses((status = 204, description = "Done"), AuthProblems, HostProblems, EndedProblems, ConflictProblems, SessionProblems)
)]
pub async fn deny_knock(
    Authenticated(caller): Authenticated,
    path: KnockPath,
    State(sessions): State<Arc<FaceSessions>>,
) -> Result<StatusCode, HttpError> {
    sessions
        .answer_knock(caller, path.session, path.knock, KnockAnswer::Deny)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
