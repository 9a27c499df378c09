//! `GET /api/entrytask/user/signout`

use super::answer::{ClassicAnswer, ClassicError, Nothing, Success};
use super::session::{Secure, Session, clear_cookie};
use axum::extract::State;
use axum::response::IntoResponse;
use faceshare_logic::account::Accounts;
use http::header::SET_COOKIE;
use std::sync::Arc;

/// Signs out, as an older system does.
///
/// For the user that the cookie names. The cookie is not valid any more.
#[utoipa::path(
    get,
    path = "/api/entrytask/user/signout",
    tag = "classic",
    params(("sessionID" = String, Cookie, description = "As signin has set it")),
    responses((status = 200, description = "`data` is empty", body = ClassicAnswer<Nothing>))
)]
pub async fn classic_signout(
    Session(caller): Session,
    State(accounts): State<Arc<Accounts>>,
    secure: Secure,
) -> Result<impl IntoResponse, ClassicError> {
    accounts.sign_out(caller).await?;
    Ok((
        [(SET_COOKIE, clear_cookie(&secure)?)],
        Success(Nothing::new()),
    ))
}
