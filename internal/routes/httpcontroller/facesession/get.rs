//! `GET /v1/face-sessions/{id}`

use super::representation::FaceSessionAnswer;
use crate::e::HttpError;
use crate::extract::{Authenticated, SessionPath};
use crate::json::JsonBytes;
use crate::responses::{AuthProblems, SessionProblems};
use axum::extract::State;
use faceshare_logic::facesession::FaceSessions;
use std::sync::Arc;

/// Shows a session to its members, and after its end to those who were members then.
#[utoipa::path(
    get,
    path = "/v1/face-sessions/{id}",
    tag = "face-sessions",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The session")),
    responses((status = 200, description = "The session", body = FaceSessionAnswer), AuthProblems, SessionProblems)
)]
pub async fn get_face_session(
    Authenticated(caller): Authenticated,
    SessionPath(id): SessionPath,
    State(sessions): State<Arc<FaceSessions>>,
) -> Result<JsonBytes, HttpError> {
    let session = sessions.get(caller, id).await?;
    Ok(JsonBytes(session.text(|session| {
        FaceSessionAnswer::from(session.clone()).to_json()
    })))
}
