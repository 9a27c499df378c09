//! `POST /api/entrytask/user/update_nickname`

use super::answer::{ClassicAnswer, ClassicResult, Success};
use super::fields::{ClassicNickname, Fields, NICKNAME_MAX};
use super::session::Session;
use axum::extract::State;
use faceshare_logic::account::Accounts;
use std::sync::Arc;

/// Changes the nickname, as an older system does.
///
/// For the user that the cookie names. `errCode` 6 when the nickname does not have 1 to 8
/// characters.
#[utoipa::path(
    post,
    path = "/api/entrytask/user/update_nickname",
    tag = "classic",
    params(("sessionID" = String, Cookie, description = "As signin has set it")),
    request_body(content((ClassicNickname = "application/x-www-form-urlencoded"), (ClassicNickname = "application/json"))),
    responses((status = 200, description = "`data` is the nickname", body = ClassicAnswer<String>))
)]
pub async fn classic_update_nickname(
    Session(caller): Session,
    State(accounts): State<Arc<Accounts>>,
    Fields(fields): Fields<ClassicNickname>,
) -> ClassicResult<String> {
    let account = accounts
        .patch_within(caller, Some(&fields.nickname), NICKNAME_MAX)
        .await?;
    Ok(Success(account.nickname.to_string()))
}
