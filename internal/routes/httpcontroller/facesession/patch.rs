//! `PATCH /v1/face-sessions/{id}`

use super::representation::{AdmissionText, FaceSessionAnswer, HostLeftText};
use crate::e::HttpError;
use crate::extract::{Authenticated, SessionPath, ValidJson};
use crate::json::Json;
use crate::responses::{AuthProblems, BodyProblems, EndedProblems, HostProblems, SessionProblems};
use crate::schemas;
use axum::extract::State;
use faceshare_logic::facesession::{FaceSessions, PatchInput};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The settings to change; absent fields stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PatchFaceSessionRequest {
    /// At most 100 characters.
    #[schema(schema_with = schemas::title)]
    title: Option<String>,
    admission: Option<AdmissionText>,
    #[schema(schema_with = schemas::max_members)]
    max_members: Option<u32>,
    host_left: Option<HostLeftText>,
    /// No new members can join.
    locked: Option<bool>,
}

impl From<PatchFaceSessionRequest> for PatchInput {
    fn from(request: PatchFaceSessionRequest) -> Self {
        Self {
            title: request.title,
            admission: request.admission.map(Into::into),
            max_members: request.max_members,
            host_left: request.host_left.map(Into::into),
            locked: request.locked,
        }
    }
}

/// Changes a session. For the host.
///
/// All members are notified with `sessionChange`.
#[utoipa::path(
    patch,
    path = "/v1/face-sessions/{id}",
    tag = "face-sessions",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The session")),
    request_body = PatchFaceSessionRequest,
    responses((status = 200, description = "The session, changed", body = FaceSessionAnswer), AuthProblems, BodyProblems, EndedProblems, SessionProblems, HostProblems)
)]
pub async fn patch_face_session(
    Authenticated(caller): Authenticated,
    SessionPath(id): SessionPath,
    State(sessions): State<Arc<FaceSessions>>,
    ValidJson(request): ValidJson<PatchFaceSessionRequest>,
) -> Result<Json<FaceSessionAnswer>, HttpError> {
    Ok(Json(
        sessions.patch(caller, id, request.into()).await?.into(),
    ))
}
