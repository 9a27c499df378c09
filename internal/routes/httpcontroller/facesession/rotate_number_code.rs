//! `POST /v1/face-sessions/{id}/number-code`

use super::number_code::NumberCodeAnswer;
use crate::e::HttpError;
use crate::extract::{Authenticated, SessionPath};
use crate::json::Json;
use crate::responses::{AuthProblems, EndedProblems, HostProblems, SessionProblems};
use axum::Extension;
use axum::extract::State;
use faceshare_logic::facesession::FaceSessions;
use faceshare_logic::idempotency::EffectId;
use std::sync::Arc;

/// Creates a new number code. For the host.
///
/// The previous code stops working at once; the host's devices are notified with
/// `numberCodeChange`.
#[utoipa::path(
    post,
    path = "/v1/face-sessions/{id}/number-code",
    tag = "face-sessions",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The session")),
    responses((status = 200, description = "The code", body = NumberCodeAnswer), AuthProblems, HostProblems, EndedProblems, SessionProblems)
)]
pub async fn rotate_number_code(
    Authenticated(caller): Authenticated,
    SessionPath(id): SessionPath,
    State(sessions): State<Arc<FaceSessions>>,
    effect: Option<Extension<EffectId>>,
) -> Result<Json<NumberCodeAnswer>, HttpError> {
    let effect = effect.map(|Extension(id)| id);
    let shown = sessions.rotate_number_code(caller, id, effect).await?;
    Ok(Json(shown.into()))
}
