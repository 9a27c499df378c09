//! `DELETE /v1/accounts/me`

use crate::e::HttpError;
use crate::extract::Authenticated;
use crate::responses::AuthProblems;
use axum::extract::State;
use faceshare_logic::account::Accounts;
use http::StatusCode;
use std::sync::Arc;

/// Deletes the caller's account.
///
/// For accounts and guests, on themselves. All personal data is deleted, the username is free
/// again, every sign-in of the account ends, and the account leaves the sessions that it is
/// connected to.
#[utoipa::path(
    delete,
    path = "/v1/accounts/me",
    tag = "accounts",
    security(("bearer" = [])),
    responses((status = 204, description = "Deleted"), AuthProblems)
)]
pub async fn delete_account(
    Authenticated(caller): Authenticated,
    State(accounts): State<Arc<Accounts>>,
) -> Result<StatusCode, HttpError> {
    accounts.delete(caller).await?;
    Ok(StatusCode::NO_CONTENT)
}
