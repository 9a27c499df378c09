//! `PATCH /v1/accounts/me`

use super::representation::AccountAnswer;
use crate::e::HttpError;
use crate::extract::{Authenticated, ValidJson};
use crate::json::Json;
use crate::responses::{AuthProblems, BodyProblems};
use axum::extract::State;
use faceshare_logic::account::Accounts;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The fields to change.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PatchAccountRequest {
    /// What others see: 1 to 32 characters.
    #[schema(schema_with = crate::schemas::optional_nickname, required = false)]
    nickname: Option<String>,
}

/// Changes the caller's nickname.
///
/// For accounts and guests, on themselves. The sessions that the caller is connected to are
/// notified with `memberChange`.
#[utoipa::path(
    patch,
    path = "/v1/accounts/me",
    tag = "accounts",
    security(("bearer" = [])),
    request_body = PatchAccountRequest,
    responses((status = 200, description = "The caller as it is now", body = AccountAnswer), AuthProblems, BodyProblems)
)]
pub async fn patch_account(
    Authenticated(caller): Authenticated,
    State(accounts): State<Arc<Accounts>>,
    ValidJson(request): ValidJson<PatchAccountRequest>,
) -> Result<Json<AccountAnswer>, HttpError> {
    let account = accounts.patch(caller, request.nickname.as_deref()).await?;
    Ok(Json(AccountAnswer {
        account: account.into(),
    }))
}
