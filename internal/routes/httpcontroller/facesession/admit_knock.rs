//! `POST /v1/face-sessions/{id}/knocks/{knockId}/admit`

use crate::e::HttpError;
use crate::extract::{Authenticated, KnockPath};
use crate::responses::{
    AuthProblems, ConflictProblems, EndedProblems, HostProblems, LimitProblems, SessionProblems,
};
use axum::extract::State;
use faceshare_logic::facesession::FaceSessions;
use faceshare_logic::instruction::exec::KnockAnswer;
use http::StatusCode;
use std::sync::Arc;

/// Admits a client that waits at the session. For the host.
///
/// The waiting client gets its session token from `wait`. A lock does not prevent this; a full
/// session does, and the knock stays waiting.
#[utoipa::path(
    post,
    path = "/v1/face-sessions/{id}/knocks/{knockId}/admit",
    tag = "face-sessions",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The session"), ("knockId" = String, Path, description = "The knock")),
    responses((status = 204, description = "Done"), AuthProblems, HostProblems, EndedProblems, ConflictProblems, SessionProblems, LimitProblems)
)]
pub async fn admit_knock(
    Authenticated(caller): Authenticated,
    path: KnockPath,
    State(sessions): State<Arc<FaceSessions>>,
) -> Result<StatusCode, HttpError> {
    sessions
        .answer_knock(caller, path.session, path.knock, KnockAnswer::Admit)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
