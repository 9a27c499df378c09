//! `GET /v1/accounts/me`

use super::representation::AccountAnswer;
use crate::e::HttpError;
use crate::extract::Authenticated;
use crate::json::Json;
use crate::responses::AuthProblems;
use axum::extract::State;
use faceshare_logic::account::Accounts;
use std::sync::Arc;

/// Shows the caller's account.
#[utoipa::path(
    get,
    path = "/v1/accounts/me",
    tag = "accounts",
    security(("bearer" = [])),
    responses((status = 200, description = "The caller", body = AccountAnswer), AuthProblems)
)]
pub async fn get_account(
    Authenticated(caller): Authenticated,
    State(accounts): State<Arc<Accounts>>,
) -> Result<Json<AccountAnswer>, HttpError> {
    let account = accounts.account(caller).await?;
    Ok(Json(AccountAnswer {
        account: account.into(),
    }))
}
