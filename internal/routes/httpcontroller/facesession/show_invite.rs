//! `GET /v1/face-sessions/{id}/invoke-link`

use super::invite::InviteAnswer;
use crate::e::HttpError;
use crate::extract::{Authenticated, SessionPath};
use crate::json::Json;
use crate::links::PublicBase;
use crate::responses::{AuthProblems, SessionProblems};
use axum::extract::State;
use faceshare_logic::facesession::FaceSessions;
use std::sync::Arc;

/// Shows the invite link. For members.
///
/// `NOT_FOUND` when there is none.
#[utoipa::path(
    get,
    path = "/v1/face-sessions/{id}/invoke-link",
    tag = "face-sessions",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The session")),
    responses((status = 200, description = "The link", body = InviteAnswer), AuthProblems, SessionProblems)
)]
pub async fn show_invite(
    Authenticated(caller): Authenticated,
    SessionPath(id): SessionPath,
    State(sessions): State<Arc<FaceSessions>>,
    base: PublicBase,
) -> Result<Json<InviteAnswer>, HttpError> {
    let shown = sessions.invite(caller, id).await?;
    Ok(Json(InviteAnswer::new(shown, &base)?))
}
