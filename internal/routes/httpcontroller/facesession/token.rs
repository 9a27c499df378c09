//! `POST /v1/face-sessions/{id}/token`

use super::SessionTokenView;
use crate::e::HttpError;
use crate::extract::{Authenticated, OptionalJson, SessionPath};
use crate::json::Json;
use crate::links::PublicBase;
use crate::openapi::{
    AuthProblems, BodyProblems, EndedProblems, HostProblems, Problem422, SessionProblems,
};
use crate::text::IdText;
use axum::extract::State;
use faceshare_biz::domain::PointId;
use faceshare_biz::domain::port::Clock;
use faceshare_logic::facesession::FaceSessions;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// For which device. Everything may be left out, the body too.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionTokenRequest {
    /// One of the caller's own; without it a new one is made.
    #[schema(value_type = Option<String>, example = "7301444403200000003")]
    point_id: Option<IdText<PointId>>,
}

/// Gives a member a token to its session's stream.
///
/// After leaving, or after a time-out, it readmits without code or approval for as long as the session lives. `FORBIDDEN` to one who was removed;
/// `LIMIT_EXCEEDED` when the session is full.
#[utoipa::path(
    post,
    path = "/v1/face-sessions/{id}/token",
    tag = "face-sessions",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The session")),
    request_body = Option<SessionTokenRequest>,
    responses(
        (status = 200, description = "A token", body = SessionTokenView),
        AuthProblems, BodyProblems, EndedProblems, SessionProblems, HostProblems, Problem422
    )
)]
pub async fn issue_session_token(
    Authenticated(caller): Authenticated,
    SessionPath(id): SessionPath,
    State(sessions): State<Arc<FaceSessions>>,
    State(clock): State<Arc<dyn Clock>>,
    base: PublicBase,
    OptionalJson(request): OptionalJson<SessionTokenRequest>,
) -> Result<Json<SessionTokenView>, HttpError> {
    let token = sessions
        .token(caller, id, request.point_id.map(|p| p.0))
        .await?;
    Ok(Json(SessionTokenView::new(token, clock.now(), &base)))
}
