//! `GET /v1/face-sessions/{id}/number-code`

use super::number_code::NumberCodeAnswer;
use crate::e::HttpError;
use crate::extract::{Authenticated, SessionPath};
use crate::json::Json;
use crate::responses::{AuthProblems, SessionProblems};
use axum::extract::State;
use faceshare_logic::facesession::FaceSessions;
use std::sync::Arc;

/// Shows the number code. For members.
///
/// `NOT_FOUND` when there is none: the code has expired, and the host may create a new one.
#[utoipa::path(
    get,
    path = "/v1/face-sessions/{id}/number-code",
    tag = "face-sessions",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The session")),
    responses((status = 200, description = "The code", body = NumberCodeAnswer), AuthProblems, SessionProblems)
)]
pub async fn show_number_code(
    Authenticated(caller): Authenticated,
    SessionPath(id): SessionPath,
    State(sessions): State<Arc<FaceSessions>>,
) -> Result<Json<NumberCodeAnswer>, HttpError> {
    Ok(Json(sessions.number_code(caller, id).await?.into()))
}
