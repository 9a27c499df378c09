//! `POST /v1/accounts/refresh`

use super::representation::TokensAnswer;
use crate::e::HttpError;
use crate::extract::ValidJson;
use crate::json::Json;
use crate::responses::{AuthProblems, BodyProblems};
use axum::extract::State;
use faceshare_biz::domain::port::Clock;
use faceshare_logic::account::Accounts;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshRequest {
    /// The refresh token of the newest pair.
    #[schema(example = "v4.local.…")]
    refresh_token: String,
}

/// Exchanges a refresh token for a new pair.
///
/// The old token gives the same pair again within 60 s, as long as the new one was not used: for a
/// lost response, or two tabs. Any later reuse revokes every token of the same sign-in.
#[utoipa::path(
    post,
    path = "/v1/accounts/refresh",
    tag = "accounts",
    request_body = RefreshRequest,
    responses((status = 200, description = "A new pair", body = TokensAnswer), AuthProblems, BodyProblems)
)]
pub async fn refresh_tokens(
    State(accounts): State<Arc<Accounts>>,
    State(clock): State<Arc<dyn Clock>>,
    ValidJson(request): ValidJson<RefreshRequest>,
) -> Result<Json<TokensAnswer>, HttpError> {
    let signed_in = accounts.refresh(&request.refresh_token).await?;
    Ok(Json(TokensAnswer::new(signed_in, clock.now())))
}
