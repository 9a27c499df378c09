//! `POST /v1/face-sessions/{id}/token`

use super::representation::SessionTokenView;
use crate::e::HttpError;
use crate::extract::{Authenticated, OptionalJson, SessionPath};
use crate::json::Json;
use crate::links::PublicBase;
use crate::responses::{
    AuthProblems, BodyProblems, EndedProblems, HostProblems, LimitProblems, SessionProblems,
};
use crate::text::IdText;
use axum::extract::State;
use faceshare_biz::domain::PointId;
use faceshare_biz::domain::port::Clock;
use faceshare_logic::facesession::FaceSessions;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The device that the token is for. All fields and the body are optional.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionTokenRequest {
    /// A point of the caller's; without it a new point is created.
    #[schema(value_type = Option<String>, example = "7301444403200000003")]
    point_id: Option<IdText<PointId>>,
}

/// Issues a member a token for its session's stream.
///
/// A member that left or timed out is readmitted without code or approval as long as the session is
/// active. `FORBIDDEN` for a removed member; `LIMIT_EXCEEDED` when the session is full.
#[utoipa::path(
    post,
    path = "/v1/face-sessions/{id}/token",
    tag = "face-sessions",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The session")),
    request_body = Option<SessionTokenRequest>,
    responses(
        (status = 200, description = "A token", body = SessionTokenView),
        AuthProblems, BodyProblems, EndedProblems, SessionProblems, HostProblems, LimitProblems
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
