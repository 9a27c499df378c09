//! `GET /v1/face-sessions/{id}/knocks`

use super::knock::KnockView;
use crate::e::HttpError;
use crate::extract::{Authenticated, SessionPath};
use crate::json::Json;
use crate::responses::{AuthProblems, EndedProblems, HostProblems, SessionProblems};
use axum::extract::State;
use faceshare_logic::facesession::FaceSessions;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The knocks of a session.
#[derive(Debug, Serialize, ToSchema)]
pub struct KnocksAnswer {
    /// Knocks that wait for an answer, oldest first.
    knocks: Vec<KnockView>,
}

/// Lists the knocks that wait for an answer. For the host.
#[utoipa::path(
    get,
    path = "/v1/face-sessions/{id}/knocks",
    tag = "face-sessions",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The session")),
    responses((status = 200, description = "The waiting knocks", body = KnocksAnswer), AuthProblems, HostProblems, EndedProblems, SessionProblems)
)]
pub async fn list_knocks(
    Authenticated(caller): Authenticated,
    SessionPath(id): SessionPath,
    State(sessions): State<Arc<FaceSessions>>,
) -> Result<Json<KnocksAnswer>, HttpError> {
    let knocks = sessions.knocks(caller, id).await?;
    Ok(Json(KnocksAnswer {
        knocks: knocks.into_iter().map(Into::into).collect(),
    }))
}
