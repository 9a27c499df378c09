//! `POST /v1/accounts`

use super::representation::AccountAnswer;
use crate::e::HttpError;
use crate::extract::{ClientSite, MaybeAuthenticated, ValidJson};
use crate::json::Json;
use crate::responses::{AlreadyExistsProblems, AuthProblems, BodyProblems, QueueProblems};
use axum::Extension;
use axum::extract::State;
use faceshare_biz::domain::account::Password;
use faceshare_logic::account::{Accounts, NewAccount, SignUpRules};
use faceshare_logic::idempotency::EffectId;
use http::StatusCode;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The account to create.
#[derive(Deserialize, ToSchema)]
pub struct SignUpRequest {
    /// 4 to 32 of `a-z 0-9 _ . -`; unique whatever its case.
    #[schema(schema_with = crate::schemas::username)]
    username: String,
    /// 8 to 128 characters of any kind.
    #[schema(schema_with = crate::schemas::new_password)]
    password: String,
    /// The name that others see. Without it a guest keeps its own, and a new account uses its
    /// username.
    #[schema(schema_with = crate::schemas::optional_nickname, required = false)]
    nickname: Option<String>,
}

/// Signs up.
///
/// Needs no token. With the access token of a guest, the guest becomes the account: it keeps its
/// id, its tokens and its sessions. `ALREADY_EXISTS` when the username is taken, or when the token
/// is one of an account. Sign in to get tokens.
#[utoipa::path(
    post,
    path = "/v1/accounts",
    tag = "accounts",
    security((), ("bearer" = [])),
    request_body = SignUpRequest,
    responses((status = 201, description = "The account was created", body = AccountAnswer), AuthProblems, BodyProblems, AlreadyExistsProblems, QueueProblems)
)]
pub async fn sign_up(
    MaybeAuthenticated(caller): MaybeAuthenticated,
    State(accounts): State<Arc<Accounts>>,
    ClientSite(site): ClientSite,
    effect: Option<Extension<EffectId>>,
    ValidJson(request): ValidJson<SignUpRequest>,
) -> Result<(StatusCode, Json<AccountAnswer>), HttpError> {
    let new = NewAccount {
        username: request.username,
        password: Password::new(request.password),
        nickname: request.nickname,
        site,
        effect: effect.map(|Extension(id)| id),
    };
    let account = accounts
        .sign_up(new, &SignUpRules::default(), caller)
        .await?;
    Ok((
        StatusCode::CREATED,
        Json(AccountAnswer {
            account: account.into(),
        }),
    ))
}
