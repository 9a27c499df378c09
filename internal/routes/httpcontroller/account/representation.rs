//! JSON forms of accounts and their tokens.

use crate::text::{IdText, TimeText, seconds_until};
use faceshare_biz::domain::account::Account;
use faceshare_biz::domain::{AccountId, Timestamp};
use faceshare_logic::account::SignedIn;
use serde::Serialize;
use utoipa::ToSchema;

/// The bytes of a picture.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes a body")]
#[schema(value_type = String, format = Binary)]
pub struct PictureFile(Vec<u8>);

/// An account or a guest.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Account)]
pub struct AccountView {
    /// Also the `memberId` in every session.
    #[schema(value_type = String, example = "7301444403200000001")]
    id: IdText<AccountId>,
    /// Absent for a guest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    username: Option<String>,
    /// What others see.
    #[schema(example = "Ann")]
    nickname: String,
    /// Path of the picture; empty when there is none.
    avatar_url: String,
    /// Whether this account is a guest.
    guest: bool,
    /// When the account was created.
    #[schema(value_type = String, format = DateTime)]
    created_at: TimeText,
}

impl From<Account> for AccountView {
    fn from(account: Account) -> Self {
        Self {
            id: IdText(account.id),
            guest: account.is_guest(),
            username: account.username,
            nickname: account.nickname.to_string(),
            avatar_url: account.avatar_url,
            created_at: TimeText(account.created_at),
        }
    }
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountAnswer {
    /// The account.
    pub account: AccountView,
}

/// A pair of tokens and their account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokensAnswer {
    /// For calls: `Authorization: Bearer <accessToken>`. A secret.
    #[schema(example = "v4.local.…")]
    access_token: String,
    /// For the next pair. A secret.
    #[schema(example = "v4.local.…")]
    refresh_token: String,
    /// When the access token expires.
    #[schema(value_type = String, format = DateTime)]
    expires_at: TimeText,
    /// Seconds until then, for clients whose clock is off.
    #[schema(example = 900)]
    expires_in: u64,
    /// When the refresh token expires.
    #[schema(value_type = String, format = DateTime)]
    refresh_expires_at: TimeText,
    /// The account of the tokens.
    account: AccountView,
}

impl TokensAnswer {
    /// `now` is the start of `expiresIn`.
    pub fn new(signed_in: SignedIn, now: Timestamp) -> Self {
        let tokens = signed_in.tokens;
        Self {
            expires_at: TimeText(tokens.access.expires_at),
            expires_in: seconds_until(tokens.access.expires_at, now),
            refresh_expires_at: TimeText(tokens.refresh.expires_at),
            access_token: tokens.access.token,
            refresh_token: tokens.refresh.token,
            account: signed_in.account.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TokensAnswer;
    use faceshare_biz::domain::account::{Account, IssuedToken, TokenPair};
    use faceshare_biz::domain::{AccountId, Nickname, Timestamp};
    use faceshare_logic::account::SignedIn;

    #[test]
    fn the_answer_reads_as_the_contract_has_it() {
        let account = Account {
            id: AccountId::new(7).expect("an id"),
            username: None,
            nickname: Nickname::new("Ann", 32).expect("a name"),
            avatar_url: String::new(),
            created_at: Timestamp::from_millis(0),
        };
        let token = |token: &str, at| IssuedToken {
            token: token.into(),
            expires_at: Timestamp::from_millis(at),
        };
        let tokens = TokenPair {
            access: token("a", 901_000),
            refresh: token("r", 2_000_000),
        };
        let answer = TokensAnswer::new(SignedIn { account, tokens }, Timestamp::from_millis(1_000));
        assert_eq!(
            serde_json::to_value(answer).expect("serialises"),
            serde_json::json!({
                "accessToken": "a",
                "refreshToken": "r",
                "expiresAt": "1970-01-01T00:15:01.000Z",
                "expiresIn": 900,
                "refreshExpiresAt": "1970-01-01T00:33:20.000Z",
                "account": {"id": "7", "nickname": "Ann", "avatarUrl": "", "guest": true, "createdAt": "1970-01-01T00:00:00.000Z"},
            })
        );
    }
}
