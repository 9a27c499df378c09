//! `POST /v1/accounts/sign-out`

use crate::e::HttpError;
use crate::extract::Authenticated;
use crate::responses::AuthProblems;
use axum::extract::State;
use faceshare_logic::account::Accounts;
use http::StatusCode;
use std::sync::Arc;

/// Signs out.
///
/// For accounts and guests. Ends the sign-in that the token comes from, and no other: its tokens
/// are refused from now on, its streams close with 4001 within five seconds, and its session tokens
/// open no stream. A guest who signs out cannot return as the same guest.
#[utoipa::path(
    post,
    path = "/v1/accounts/sign-out",
    tag = "accounts",
    security(("bearer" = [])),
    responses((status = 204, description = "Signed out"), AuthProblems)
)]
pub async fn sign_out(
    Authenticated(caller): Authenticated,
    State(accounts): State<Arc<Accounts>>,
) -> Result<StatusCode, HttpError> {
    accounts.sign_out(caller).await?;
    Ok(StatusCode::NO_CONTENT)
}
