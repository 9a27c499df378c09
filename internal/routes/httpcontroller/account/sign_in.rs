//! `POST /v1/accounts/sign-in`

use super::representation::TokensAnswer;
use crate::e::HttpError;
use crate::extract::{ClientSite, ValidJson};
use crate::json::Json;
use crate::responses::{BodyProblems, PasswordProblems, QueueProblems};
use axum::extract::State;
use faceshare_biz::domain::account::Password;
use faceshare_biz::domain::port::Clock;
use faceshare_logic::account::Accounts;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The account that signs in.
#[derive(Deserialize, ToSchema)]
pub struct SignInRequest {
    /// The username, in any case.
    #[schema(example = "ann_1")]
    username: String,
    /// The password.
    #[schema(example = "correct horse", format = Password)]
    password: String,
}

/// Signs in.
///
/// Needs no token. A wrong username and a wrong password get the same answer, `PASSWORD_INCORRECT`,
/// after the same time. After too many failures, for this username or from this network, every
/// password is `RATE_LIMITED` for a while, the right one too.
#[utoipa::path(
    post,
    path = "/v1/accounts/sign-in",
    tag = "accounts",
    request_body = SignInRequest,
    responses((status = 200, description = "Signed in", body = TokensAnswer), PasswordProblems, BodyProblems, QueueProblems)
)]
pub async fn sign_in(
    State(accounts): State<Arc<Accounts>>,
    State(clock): State<Arc<dyn Clock>>,
    ClientSite(site): ClientSite,
    ValidJson(request): ValidJson<SignInRequest>,
) -> Result<Json<TokensAnswer>, HttpError> {
    let signed_in = accounts
        .sign_in(&request.username, &Password::new(request.password), site)
        .await?;
    Ok(Json(TokensAnswer::new(signed_in, clock.now())))
}
