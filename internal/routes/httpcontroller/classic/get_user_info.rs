//! `GET /api/entrytask/user/get_user_info`

use super::answer::{ClassicAnswer, ClassicResult, IfAny, Success};
use super::session::Session;
use axum::extract::State;
use faceshare_logic::account::Accounts;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The user of the cookie.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassicUser {
    /// The name that the user signs in as.
    username: String,
    /// The name that others see.
    nickname: String,
    /// Path of the picture; empty when there is none.
    profile_path: String,
}

/// Shows the user, as an older system does.
///
/// For the user that the cookie names. Cookie and account are answered from memory.
#[utoipa::path(
    get,
    path = "/api/entrytask/user/get_user_info",
    tag = "classic",
    params(("sessionID" = String, Cookie, description = "As signin has set it")),
    responses((status = 200, description = "`data` is the user", body = ClassicAnswer<IfAny<ClassicUser>>))
)]
pub async fn classic_get_user_info(
    Session(caller): Session,
    State(accounts): State<Arc<Accounts>>,
) -> ClassicResult<ClassicUser> {
    let account = accounts.account(caller).await?;
    Ok(Success(ClassicUser {
        username: account.username.unwrap_or_default(),
        nickname: account.nickname.to_string(),
        profile_path: account.avatar_url,
    }))
}
