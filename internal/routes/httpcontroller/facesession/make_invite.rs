//! `POST /v1/face-sessions/{id}/invoke-link`

use super::InviteAnswer;
use crate::e::HttpError;
use crate::extract::{Authenticated, OptionalJson, SessionPath};
use crate::json::Json;
use crate::links::PublicBase;
use crate::openapi::{AuthProblems, BodyProblems, EndedProblems, HostProblems, SessionProblems};
use crate::schemas;
use crate::text::DurationText;
use axum::extract::State;
use faceshare_logic::facesession::{FaceSessions, NewInvite};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// How the invite shall be. Everything may be left out, the body too.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MakeInviteRequest {
    /// How long it works, 60 s to 7 days; what `auth.invite_ttl` says (24 hours) unless said otherwise.
    #[schema(schema_with = schemas::invite_expires_in)]
    expires_in: Option<DurationText>,
    /// How often it works; any number of times unless said otherwise.
    #[schema(minimum = 1, maximum = 10_000)]
    max_uses: Option<u32>,
    /// Whether the host lets each one in.
    approval: Option<bool>,
}

impl From<MakeInviteRequest> for NewInvite {
    fn from(request: MakeInviteRequest) -> Self {
        Self {
            expires_in: request.expires_in.map(|d| d.0),
            max_uses: request.max_uses,
            approval: request.approval,
        }
    }
}

/// Makes an invite link in place of the one there was. For the host.
///
/// The old one stops working at once.
#[utoipa::path(
    post,
    path = "/v1/face-sessions/{id}/invoke-link",
    tag = "face-sessions",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The session")),
    request_body = Option<MakeInviteRequest>,
    responses((status = 200, description = "The link", body = InviteAnswer), AuthProblems, BodyProblems, EndedProblems, SessionProblems, HostProblems)
)]
pub async fn make_invite(
    Authenticated(caller): Authenticated,
    SessionPath(id): SessionPath,
    State(sessions): State<Arc<FaceSessions>>,
    base: PublicBase,
    OptionalJson(request): OptionalJson<MakeInviteRequest>,
) -> Result<Json<InviteAnswer>, HttpError> {
    let shown = sessions.make_invite(caller, id, request.into()).await?;
    Ok(Json(InviteAnswer::new(shown, &base)?))
}
