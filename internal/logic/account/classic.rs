//! Sign-in for a cookie, as the clients of the classic API do.

use super::sign_in::{Mismatch, network_of};
use super::{Accounts, sign_in_again};
use crate::facesession::run_to_completion;
use faceshare_biz::Result;
use faceshare_biz::domain::Site;
use faceshare_biz::domain::account::{AccessClaims, Caller, IssuedToken, Password, PasswordGuess};
use faceshare_biz::domain::port::SecretUse;

/// Why a sign-in gets no cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassicRefusal {
    /// No account has this username.
    UnknownName,
    /// The account has another password.
    WrongPassword,
}

impl Accounts {
    /// Opens a token family whose only token is a cookie. The refusal says whether the name or the
    /// password is wrong; both take the same time, and the caller must not show the difference to
    /// the client.
    ///
    /// # Errors
    /// `RATE_LIMITED` after too many wrong passwords; `UNAVAILABLE` when too many sign-ins wait.
    pub async fn sign_in_for_cookie(
        &self,
        username: &str,
        password: &Password,
        site: Site,
    ) -> Result<Result<IssuedToken, ClassicRefusal>> {
        let known = match self
            .verify_password(&PasswordGuess { username, site }, password)
            .await?
        {
            Ok(known) => known,
            Err(Mismatch::Name) => return Ok(Err(ClassicRefusal::UnknownName)),
            Err(Mismatch::Password) => return Ok(Err(ClassicRefusal::WrongPassword)),
        };
        let network = self
            .deps
            .secrets
            .fingerprint(SecretUse::Address, &network_of(site));
        let accounts = self.clone();
        run_to_completion(async move {
            let (family, now) = (accounts.new_family_id()?, accounts.deps.clock.now());
            let claims = AccessClaims {
                account: known.account.id,
                family,
                guest: false,
            };
            let cookie = accounts.deps.tokens.issue_cookie(&claims, now)?;
            accounts
                .open_family(&known, family, network, cookie.expires_at, now)
                .await?;
            Ok(Ok(cookie))
        })
        .await
    }

    /// The caller of a valid cookie; checked in memory only.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when the cookie is not valid, expired or signed out.
    pub fn authenticate_cookie(&self, cookie: &str) -> Result<Caller> {
        let caller = self
            .deps
            .tokens
            .verify_cookie(cookie, self.deps.clock.now());
        self.still_signed_in(caller.map_err(|_| sign_in_again("the session is over"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::ClassicRefusal;
    use crate::account::fakes::{HERE, TestAccounts};
    use crate::fakes::PlainTokens;
    use faceshare_biz::ErrorCode;
    use faceshare_biz::domain::account::Password;
    use std::time::Duration;

    #[tokio::test]
    async fn a_cookie_ends_thirty_minutes_after_signing_in_and_another_sign_in_has_its_own() {
        let app = TestAccounts::new();
        app.member("ann_1", "password").await;
        let accounts = app.accounts();
        let sign_in = async || {
            accounts
                .sign_in_for_cookie("ann_1", &Password::new("password"), HERE)
                .await
                .expect("asked")
                .expect("a cookie")
        };
        let first = sign_in().await.token;
        app.clock
            .pass(PlainTokens::COOKIE_TTL - Duration::from_millis(1));
        accounts
            .authenticate_cookie(&first)
            .expect("to the last moment");
        let second = sign_in().await.token;
        app.clock.pass(Duration::from_millis(1));
        assert_eq!(
            accounts.authenticate_cookie(&first).expect_err("over").code,
            ErrorCode::Unauthenticated
        );
        accounts
            .authenticate_cookie(&second)
            .expect("its own thirty minutes");
    }

    #[tokio::test]
    async fn a_cookie_is_good_until_it_is_signed_out_and_is_no_access_token() {
        let app = TestAccounts::new();
        app.member("ann_1", "password").await;
        let accounts = app.accounts();
        let sign_in = async |name: &str, password: &str| {
            accounts
                .sign_in_for_cookie(name, &Password::new(password), HERE)
                .await
                .expect("asked")
        };
        assert_eq!(
            sign_in("unknown", "password").await,
            Err(ClassicRefusal::UnknownName)
        );
        assert_eq!(
            sign_in("ann_1", "passw0rd").await,
            Err(ClassicRefusal::WrongPassword)
        );
        let cookie = sign_in("ann_1", "password").await.expect("a cookie").token;
        assert!(accounts.authenticate(&cookie).is_err());
        let caller = accounts.authenticate_cookie(&cookie).expect("a caller");
        accounts.sign_out(caller).await.expect("signed out");
        assert!(accounts.authenticate_cookie(&cookie).is_err());
    }
}
