//! Changes of the caller's own account.

use super::{Accounts, sign_in_again};
use crate::facesession::run_to_completion;
use crate::text::{FieldChecks, checked};
use faceshare_biz::domain::Site;
use faceshare_biz::domain::account::{
    Account, Caller, HashQueue, Password, PasswordChange, PasswordGuess, Verdict,
};
use faceshare_biz::{Error, ErrorCode, Result, constants};

impl Accounts {
    /// Changes the caller's nickname; its sessions are informed. `None` changes nothing.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with path `nickname`; `UNAUTHENTICATED` when the account is deleted.
    pub async fn patch(&self, caller: Caller, nickname: Option<&str>) -> Result<Account> {
        self.patch_within(caller, nickname, self.policy.nickname_max)
            .await
    }

    /// Like [`patch`](Self::patch), with nicknames of at most `max` characters.
    ///
    /// # Errors
    /// As [`patch`](Self::patch).
    pub async fn patch_within(
        &self,
        caller: Caller,
        nickname: Option<&str>,
        max: usize,
    ) -> Result<Account> {
        let Some(nickname) = nickname else {
            return self.account(caller).await;
        };
        let mut checks = FieldChecks::default();
        let nickname = checks.nickname("nickname", nickname, max.min(self.policy.nickname_max));
        checks.finish()?;
        let (accounts, nickname) = (self.clone(), checked(nickname)?);
        run_to_completion(async move {
            let at = accounts.deps.clock.now();
            let renaming = accounts.deps.accounts.rename(caller.account, &nickname, at);
            if !renaming.await? {
                return Err(gone());
            }
            let account = accounts.account(caller).await?;
            accounts.deps.observer.changed(&account).await;
            Ok(account)
        })
        .await
    }

    /// Changes the caller's password and revokes every other sign-in of the account.
    ///
    /// # Errors
    /// `PASSWORD_INCORRECT` for a wrong old one, `RATE_LIMITED` after too many of those;
    /// `INVALID_ARGUMENT` with path `newPassword`; `FORBIDDEN` for guests, who have no password;
    /// `UNAVAILABLE` when too many passwords wait to be hashed, `RATE_LIMITED` when too many of
    /// them are from this site.
    pub async fn change_password(
        &self,
        caller: Caller,
        old: &Password,
        new: &Password,
        site: Site,
    ) -> Result<()> {
        let mut checks = FieldChecks::default();
        let new = checks.new_password("newPassword", new.expose(), &constants::PASSWORD_LENGTH);
        checks.finish()?;
        let Some(known) = self.deps.credentials.by_id(caller.account).await? else {
            self.account(caller).await?;
            return Err(Error::new(
                ErrorCode::Forbidden,
                "a guest has no password; sign up first",
            ));
        };
        let incorrect = || Error::new(ErrorCode::PasswordIncorrect, "the old password is wrong");
        let guess = PasswordGuess {
            username: known.account.username.as_deref().unwrap_or_default(),
            site,
        };
        self.check_guess_budget(&guess).await?;
        if self
            .compare(&guess, old, Some(known.password.clone()))
            .await?
            == Verdict::Wrong
        {
            return Err(incorrect());
        }
        let new = self
            .deps
            .passwords
            .hash(new, HashQueue::SignIn, site)
            .await?;
        let at = self.deps.clock.now();
        let change = PasswordChange {
            account: caller.account,
            old: known.password,
            new,
            keep: caller.family,
            at,
        };
        let accounts = self.clone();
        run_to_completion(async move {
            let revoked = accounts
                .deps
                .credentials
                .change(&change)
                .await?
                .ok_or_else(incorrect)?;
            accounts.deps.revocations.announce(&revoked, at).await;
            Ok(())
        })
        .await
    }

    /// Deletes the caller's account or guest. Its username is free again, its sign-ins are revoked,
    /// and it leaves the sessions that it is connected to.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when it is deleted already.
    pub async fn delete(&self, caller: Caller) -> Result<()> {
        let accounts = self.clone();
        run_to_completion(async move {
            let at = accounts.deps.clock.now();
            let revoked = accounts
                .deps
                .accounts
                .delete(caller.account, at)
                .await?
                .ok_or_else(gone)?;
            // The observer finds the account's connections first; the announcement then closes
            // them.
            tokio::join!(
                biased;
                accounts.deps.observer.deleted(caller.account),
                accounts.deps.revocations.announce(&revoked, at),
            );
            Ok(())
        })
        .await
    }
}

fn gone() -> Error {
    sign_in_again("the account is gone")
}

#[cfg(test)]
mod tests {
    use crate::account::fakes::{HERE, TRIES, TestAccounts};
    use faceshare_biz::ErrorCode;
    use faceshare_biz::domain::account::{Caller, Password};

    async fn signed_in(app: &TestAccounts) -> Caller {
        let tokens = app
            .accounts()
            .sign_in("ann_1", &Password::new("password"), HERE)
            .await
            .expect("signed in")
            .tokens;
        app.accounts()
            .authenticate(&tokens.access.token)
            .expect("a caller")
    }

    #[tokio::test]
    async fn a_new_nickname_is_stored_and_announced() {
        let app = TestAccounts::new();
        app.member("ann_1", "password").await;
        let caller = signed_in(&app).await;
        let account = app
            .accounts()
            .patch(caller, Some(" Änne "))
            .await
            .expect("changed");
        assert_eq!(account.nickname.as_str(), "Änne");
        assert_eq!(app.observer.changed(), std::slice::from_ref(&account));
        assert_eq!(
            app.accounts().patch(caller, None).await.expect("as it is"),
            account
        );
        let refused = app
            .accounts()
            .patch(caller, Some(""))
            .await
            .expect_err("empty");
        assert_eq!(
            (refused.code, refused.violations[0].path.as_str()),
            (ErrorCode::InvalidArgument, "nickname")
        );
    }

    #[tokio::test]
    async fn a_new_password_ends_every_other_sign_in() {
        let app = TestAccounts::new();
        app.member("ann_1", "password").await;
        let (here, there) = (signed_in(&app).await, signed_in(&app).await);
        let accounts = app.accounts();
        let (old, new) = (Password::new("password"), Password::new("passw0rd"));
        let wrong = accounts
            .change_password(here, &new, &new, HERE)
            .await
            .expect_err("wrong");
        assert_eq!(wrong.code, ErrorCode::PasswordIncorrect);
        let short = accounts
            .change_password(here, &old, &Password::new("short"), HERE)
            .await
            .expect_err("short");
        assert_eq!(short.violations[0].path, "newPassword");
        accounts
            .change_password(here, &old, &new, HERE)
            .await
            .expect("changed");
        assert!(app.is_revoked(there) && !app.is_revoked(here));
        assert_eq!(
            accounts
                .sign_in("ann_1", &old, HERE)
                .await
                .expect_err("old")
                .code,
            ErrorCode::PasswordIncorrect
        );
        accounts.sign_in("ann_1", &new, HERE).await.expect("new");
    }

    #[tokio::test]
    async fn an_access_token_does_not_allow_more_password_guesses() {
        let app = TestAccounts::new();
        app.member("ann_1", "password").await;
        let (caller, accounts) = (signed_in(&app).await, app.accounts());
        let (old, wrong) = (Password::new("password"), Password::new("passwort"));
        for _ in 0..TRIES {
            let refused = accounts
                .change_password(caller, &wrong, &wrong, HERE)
                .await
                .expect_err("wrong");
            assert_eq!(refused.code, ErrorCode::PasswordIncorrect);
        }
        assert_eq!(
            accounts
                .change_password(caller, &old, &wrong, HERE)
                .await
                .expect_err("spent")
                .code,
            ErrorCode::RateLimited
        );
        assert_eq!(
            accounts
                .sign_in("ann_1", &old, HERE)
                .await
                .expect_err("one budget for both")
                .code,
            ErrorCode::RateLimited
        );
    }

    #[tokio::test]
    async fn a_guest_has_no_password_to_change() {
        let app = TestAccounts::new();
        let tokens = app
            .accounts()
            .sign_up_guest("Ann")
            .await
            .expect("a guest")
            .tokens;
        let guest = app
            .accounts()
            .authenticate(&tokens.access.token)
            .expect("a caller");
        let any = Password::new("password");
        assert_eq!(
            app.accounts()
                .change_password(guest, &any, &any, HERE)
                .await
                .expect_err("none")
                .code,
            ErrorCode::Forbidden
        );
    }

    #[tokio::test]
    async fn a_deleted_account_cannot_be_used_and_its_name_is_free() {
        let app = TestAccounts::new();
        let ann = app.member("ann_1", "password").await;
        let (here, there) = (signed_in(&app).await, signed_in(&app).await);
        app.accounts().delete(here).await.expect("deleted");
        assert!(app.is_revoked(here) && app.is_revoked(there));
        assert_eq!(app.observer.deleted(), [ann.id]);
        assert_eq!(
            app.observer.revoked_before(),
            [0],
            "where it is connected is looked for before its connections are closed"
        );
        assert_eq!(
            app.accounts().delete(here).await.expect_err("gone").code,
            ErrorCode::Unauthenticated
        );
        let again = app
            .accounts()
            .sign_in("ann_1", &Password::new("password"), HERE)
            .await
            .expect_err("gone");
        assert_eq!(again.code, ErrorCode::PasswordIncorrect);
        assert_ne!(app.member("ann_1", "passw0rd").await.id, ann.id);
    }
}
