//! `POST /api/entrytask/user/signup`

use super::answer::{ClassicAnswer, ClassicResult, Nothing, Success};
use super::fields::{ClassicSignUp, Fields, LENGTH};
use crate::extract::ClientSite;
use axum::extract::State;
use faceshare_biz::domain::account::Password;
use faceshare_logic::account::{Accounts, NewAccount, SignUpRules};
use std::sync::Arc;

/// Signs up, as an older system does.
///
/// Needs no cookie. The account can sign in by the other APIs too. `errCode` 3 when the username is
/// taken, 6 when a field does not have 4 to 13 characters.
#[utoipa::path(
    post,
    path = "/api/entrytask/user/signup",
    tag = "classic",
    request_body(content((ClassicSignUp = "application/x-www-form-urlencoded"), (ClassicSignUp = "application/json"))),
    responses((status = 200, description = "`data` is empty", body = ClassicAnswer<Nothing>))
)]
pub async fn classic_signup(
    State(accounts): State<Arc<Accounts>>,
    ClientSite(site): ClientSite,
    Fields(fields): Fields<ClassicSignUp>,
) -> ClassicResult<Nothing> {
    let new = NewAccount {
        username: fields.username,
        password: Password::new(fields.password),
        nickname: None,
        site,
        effect: None,
    };
    accounts
        .sign_up(
            new,
            &SignUpRules {
                username: LENGTH,
                password: LENGTH,
            },
            None,
        )
        .await?;
    Ok(Success(Nothing::new()))
}
