//! `POST /v1/accounts/me/password`

use crate::e::HttpError;
use crate::extract::{Authenticated, ClientSite, ValidJson};
use crate::responses::{BodyProblems, GuestProblems, PasswordProblems, QueueProblems};
use axum::extract::State;
use faceshare_biz::domain::account::Password;
use faceshare_logic::account::Accounts;
use http::StatusCode;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The old and the new password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangePasswordRequest {
    /// The current password.
    #[schema(example = "correct horse", format = Password)]
    old_password: String,
    /// 8 to 128 characters of any kind.
    #[schema(schema_with = crate::schemas::new_password)]
    new_password: String,
}

/// Changes the caller's password.
///
/// For accounts, on themselves; guests have no password (`FORBIDDEN`). The caller stays signed in;
/// every other sign-in of the account ends, as if it had signed out. Wrong old passwords count
/// against the same limits as at signing in.
#[utoipa::path(
    post,
    path = "/v1/accounts/me/password",
    tag = "accounts",
    security(("bearer" = [])),
    request_body = ChangePasswordRequest,
    responses((status = 204, description = "Changed"), PasswordProblems, BodyProblems, GuestProblems, QueueProblems)
)]
pub async fn change_password(
    Authenticated(caller): Authenticated,
    State(accounts): State<Arc<Accounts>>,
    ClientSite(site): ClientSite,
    ValidJson(request): ValidJson<ChangePasswordRequest>,
) -> Result<StatusCode, HttpError> {
    let (old, new) = (
        Password::new(request.old_password),
        Password::new(request.new_password),
    );
    accounts.change_password(caller, &old, &new, site).await?;
    Ok(StatusCode::NO_CONTENT)
}
