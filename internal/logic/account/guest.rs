//! Sign-up of guests, with a nickname only.

use super::{Accounts, FIRST_GENERATION, SignedIn};
use crate::text::{FieldChecks, checked};
use faceshare_biz::domain::account::{Account, TokenFamily};
use faceshare_biz::{Error, ErrorCode, Result};

impl Accounts {
    /// Creates a guest with this nickname and signs it in.
    ///
    /// # Errors
    /// `FORBIDDEN` where guests are off; `INVALID_ARGUMENT` with path `nickname`.
    pub async fn sign_up_guest(&self, nickname: &str) -> Result<SignedIn> {
        if !self.policy.guests {
            return Err(Error::new(
                ErrorCode::Forbidden,
                "guests are not admitted here: sign in with an account",
            ));
        }
        let mut checks = FieldChecks::default();
        let nickname = checks.nickname("nickname", nickname, self.policy.nickname_max);
        checks.finish()?;

        let now = self.deps.clock.now();
        let account = Account {
            id: self.new_account_id()?,
            username: None,
            nickname: checked(nickname)?,
            avatar_url: String::new(),
            created_at: now,
        };
        let family = self.new_family_id()?;
        let tokens = self.issue_pair(&account, family, FIRST_GENERATION, now)?;
        // The account first: a family without an account must not exist, while an unused account is
        // deleted later.
        self.deps.accounts.insert(&account).await?;
        self.deps
            .families
            .insert(&TokenFamily {
                id: family,
                account: account.id,
                generation: FIRST_GENERATION,
                rotated_at: now,
                sealed_pair: None,
                expires_at: tokens.refresh.expires_at,
                revoked_at: None,
                network: None,
            })
            .await?;
        Ok(SignedIn { account, tokens })
    }
}

#[cfg(test)]
mod tests {
    use crate::account::fakes::{TestAccounts, policy};
    use crate::account::{AccountPolicy, Accounts};
    use faceshare_biz::ErrorCode;

    #[tokio::test]
    async fn a_guest_is_known_by_the_token_it_gets() {
        let app = TestAccounts::new();
        let signed_in = app
            .accounts()
            .sign_up_guest(" A\u{308}nne ")
            .await
            .expect("a guest");
        assert_eq!(signed_in.account.nickname.as_str(), "Änne");
        assert!(signed_in.account.is_guest());

        let caller = app
            .accounts()
            .authenticate(&signed_in.tokens.access.token)
            .expect("a caller");
        assert!(caller.guest);
        assert_eq!(
            app.accounts().account(caller).await.expect("an account"),
            signed_in.account
        );
    }

    #[tokio::test]
    async fn a_bad_nickname_is_refused_by_its_path() {
        for bad in ["", "   ", &"x".repeat(33), "a\u{202e}b"] {
            let error = TestAccounts::new()
                .accounts()
                .sign_up_guest(bad)
                .await
                .expect_err("not a nickname");
            assert_eq!(
                (error.code, error.violations[0].path.as_str()),
                (ErrorCode::InvalidArgument, "nickname")
            );
        }
    }

    #[tokio::test]
    async fn guests_are_refused_where_they_are_disabled() {
        let app = TestAccounts::new();
        let closed = Accounts::new(
            app.deps(),
            AccountPolicy {
                guests: false,
                ..policy()
            },
        );
        let error = closed
            .sign_up_guest("Ann")
            .await
            .expect_err("guests are off");
        assert_eq!(error.code, ErrorCode::Forbidden);
    }

    #[tokio::test]
    async fn an_expired_access_token_says_refresh_and_a_bad_one_says_sign_in() {
        let app = TestAccounts::new();
        let tokens = app
            .accounts()
            .sign_up_guest("Ann")
            .await
            .expect("a guest")
            .tokens;
        let code = |token: &str| {
            app.accounts()
                .authenticate(token)
                .expect_err("refused")
                .code
        };
        assert_eq!(code("rubbish"), ErrorCode::Unauthenticated);
        assert_eq!(code(&tokens.refresh.token), ErrorCode::Unauthenticated);
        app.clock.set(tokens.access.expires_at);
        assert_eq!(code(&tokens.access.token), ErrorCode::TokenExpired);
    }
}
