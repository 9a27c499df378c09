//! `GET /v1/face-sessions/{id}/members`

use super::member::MemberView;
use crate::e::HttpError;
use crate::extract::{Authenticated, SessionPath};
use crate::json::Json;
use crate::responses::{AuthProblems, SessionProblems};
use axum::extract::State;
use faceshare_logic::facesession::FaceSessions;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The members of a session.
#[derive(Debug, Serialize, ToSchema)]
pub struct MembersAnswer {
    /// Members that are online or within their grace, in the order in which they joined.
    members: Vec<MemberView>,
}

/// Lists the members of a session.
#[utoipa::path(
    get,
    path = "/v1/face-sessions/{id}/members",
    tag = "face-sessions",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The session")),
    responses((status = 200, description = "The members", body = MembersAnswer), AuthProblems, SessionProblems)
)]
pub async fn list_members(
    Authenticated(caller): Authenticated,
    SessionPath(id): SessionPath,
    State(sessions): State<Arc<FaceSessions>>,
) -> Result<Json<MembersAnswer>, HttpError> {
    let members = sessions.members(caller, id).await?;
    Ok(Json(MembersAnswer {
        members: members.into_iter().map(Into::into).collect(),
    }))
}
