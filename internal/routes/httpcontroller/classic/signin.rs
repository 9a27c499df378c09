//! `POST /api/entrytask/user/signin`

use super::answer::{ClassicAnswer, ClassicError, Nothing, Success};
use super::fields::{ClassicCredentials, Fields};
use super::session::{Secure, set_cookie};
use super::state::ClassicRules;
use crate::extract::ClientSite;
use axum::extract::State;
use axum::response::IntoResponse;
use faceshare_biz::domain::account::Password;
use faceshare_logic::account::{Accounts, ClassicRefusal};
use http::header::SET_COOKIE;
use std::sync::Arc;

/// Signs in, as an older system does.
///
/// Needs no cookie. Sets the cookie `sessionID`, valid for 30 minutes. `errCode` 5 for a wrong
/// password, and for an unknown username too unless `classic.reveal_unknown_user` is set, when it
/// is 4. After too many failures every password is answered with 0 and `Retry-After` for a while.
#[utoipa::path(
    post,
    path = "/api/entrytask/user/signin",
    tag = "classic",
    request_body(content((ClassicCredentials = "application/x-www-form-urlencoded"), (ClassicCredentials = "application/json"))),
    responses((status = 200, description = "`data` is empty", body = ClassicAnswer<Nothing>))
)]
pub async fn classic_signin(
    State(accounts): State<Arc<Accounts>>,
    State(rules): State<ClassicRules>,
    secure: Secure,
    ClientSite(site): ClientSite,
    Fields(fields): Fields<ClassicCredentials>,
) -> Result<impl IntoResponse, ClassicError> {
    if fields.username.is_empty() || fields.password.is_empty() {
        return Err(ClassicError::InvalidParams);
    }
    let cookie = accounts
        .sign_in_for_cookie(&fields.username, &Password::new(fields.password), site)
        .await?;
    let cookie = cookie.map_err(|refusal| match refusal {
        ClassicRefusal::UnknownName if rules.reveal_unknown_user => ClassicError::UserNotExist,
        ClassicRefusal::UnknownName | ClassicRefusal::WrongPassword => ClassicError::Password,
    })?;
    Ok((
        [(SET_COOKIE, set_cookie(&cookie.token, &secure)?)],
        Success(Nothing::new()),
    ))
}
