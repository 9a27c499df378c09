//! `POST /v1/face-sessions/{id}/invoke-link`

use super::invite::InviteAnswer;
use crate::e::HttpError;
use crate::extract::{Authenticated, OptionalJson, SessionPath};
use crate::json::Json;
use crate::links::PublicBase;
use crate::responses::{AuthProblems, BodyProblems, EndedProblems, HostProblems, SessionProblems};
use crate::schemas;
use crate::text::DurationText;
use axum::Extension;
use axum::extract::State;
use faceshare_logic::facesession::{FaceSessions, NewInvite};
use faceshare_logic::idempotency::EffectId;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Settings of the new invite. All fields and the body are optional.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MakeInviteRequest {
    /// How long the invite is valid, 60 s to 7 days; `auth.invite_ttl` (24 hours) by default.
    #[schema(schema_with = schemas::invite_expires_in)]
    expires_in: Option<DurationText>,
    /// How often the invite can be used; unlimited by default.
    #[schema(minimum = 1, maximum = 10_000)]
    max_uses: Option<u32>,
    /// Whether the host must admit each user of the invite.
    approval: Option<bool>,
}

impl From<MakeInviteRequest> for NewInvite {
    fn from(request: MakeInviteRequest) -> Self {
        Self {
            expires_in: request.expires_in.map(|d| d.0),
            max_uses: request.max_uses,
            approval: request.approval,
            effect: None,
        }
    }
}

/// Creates an invite link that replaces the previous one. For the host.
///
/// The previous link stops working at once.
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
    effect: Option<Extension<EffectId>>,
    OptionalJson(request): OptionalJson<MakeInviteRequest>,
) -> Result<Json<InviteAnswer>, HttpError> {
    let new = NewInvite {
        effect: effect.map(|Extension(id)| id),
        ..request.into()
    };
    let shown = sessions.make_invite(caller, id, new).await?;
    Ok(Json(InviteAnswer::new(shown, &base)?))
}
