//! Sign-in with a username and a password.

use super::{Accounts, FIRST_GENERATION, SignedIn};
use crate::facesession::run_to_completion;
use crate::text;
use faceshare_biz::domain::account::{
    Account, Credentials, Password, PasswordGuess, PasswordHash, TokenFamily, Verdict,
};
use faceshare_biz::domain::port::SecretUse;
use faceshare_biz::domain::{AccountId, FamilyId, Site, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};
use std::time::Duration;

/// Why a username and a password do not match. The difference must not reach clients that may not
/// know which usernames exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// No account has this username.
    Name,
    /// The account has another password.
    Password,
}

impl Accounts {
    /// Verifies the password and opens a token family.
    ///
    /// # Errors
    /// `PASSWORD_INCORRECT`, with the same text and time for a wrong name and a wrong password;
    /// `RATE_LIMITED` after too many of those; `UNAVAILABLE` when too many sign-ins wait,
    /// `RATE_LIMITED` when too many of them come from this site.
    pub async fn sign_in(
        &self,
        username: &str,
        password: &Password,
        site: Site,
    ) -> Result<SignedIn> {
        let known = self
            .verify_password(&PasswordGuess { username, site }, password)
            .await?
            .map_err(|_| incorrect())?;
        let network = self
            .deps
            .secrets
            .fingerprint(SecretUse::Address, &network_of(site));
        let accounts = self.clone();
        run_to_completion(async move {
            let (family, now) = (accounts.new_family_id()?, accounts.deps.clock.now());
            let tokens = accounts.issue_pair(&known.account, family, FIRST_GENERATION, now)?;
            accounts
                .open_family(&known, family, network, tokens.refresh.expires_at, now)
                .await?;
            Ok(SignedIn {
                account: known.account,
                tokens,
            })
        })
        .await
    }

    /// Verifies the password of a username, and replaces its hash when the hash is outdated.
    pub(super) async fn verify_password(
        &self,
        guess: &PasswordGuess<'_>,
        password: &Password,
    ) -> Result<Result<Credentials, Mismatch>> {
        self.check_guess_budget(guess).await?;
        let found = self.deps.credentials.by_username(guess.username).await?;
        let hash = found.as_ref().map(|known| known.password.clone());
        let verdict = self.compare(guess, password, hash).await?;
        let Some(mut known) = found else {
            return Ok(Err(Mismatch::Name));
        };
        match verdict {
            Verdict::Wrong => return Ok(Err(Mismatch::Password)),
            Verdict::Right => {}
            Verdict::Outdated(fresh) => {
                if self
                    .deps
                    .credentials
                    .rehash(known.account.id, &known.password, &fresh)
                    .await?
                {
                    known.password = fresh;
                }
            }
        }
        Ok(Ok(known))
    }

    /// Checks the budgets before the look-up and the hash, which a guess that must wait does not
    /// need.
    ///
    /// # Errors
    /// `RATE_LIMITED` when a budget is used up.
    pub(super) async fn check_guess_budget(&self, guess: &PasswordGuess<'_>) -> Result<()> {
        let (guesses, now) = (&self.deps.guesses, self.deps.clock.now());
        let Some(wait) = guesses.wait(guess, now).await? else {
            return Ok(());
        };
        if !self.remember_usual_network(guess).await? {
            return Err(too_many(wait));
        }
        guesses
            .wait(guess, now)
            .await?
            .map_or(Ok(()), |wait| Err(too_many(wait)))
    }

    /// Checks whether the network is a usual one of the account, and then tells the budgets so.
    async fn remember_usual_network(&self, guess: &PasswordGuess<'_>) -> Result<bool> {
        let usual = self.is_usual_network(guess).await?;
        if usual {
            self.deps.guesses.remember(guess).await?;
        }
        Ok(usual)
    }

    /// Whether the account of this username has signed in from this network before, according to
    /// the database: the budgets in memory are empty after a restart. For an unknown username the
    /// same queries run, so that the time does not tell.
    async fn is_usual_network(&self, guess: &PasswordGuess<'_>) -> Result<bool> {
        let known = self.deps.credentials.by_username(guess.username).await?;
        let account = known.map_or(
            AccountId::new(u64::MAX >> 1).expect("invariant: not zero"),
            |known| known.account.id,
        );
        let networks = self
            .deps
            .secrets
            .fingerprints(SecretUse::Address, &network_of(guess.site));
        self.deps.families.opened_from(account, &networks).await
    }

    /// Compares a password with a hash and charges the result to the budgets.
    ///
    /// # Errors
    /// `RATE_LIMITED`, for right and wrong passwords, when concurrent guesses have used up the
    /// budget.
    pub(super) async fn compare(
        &self,
        guess: &PasswordGuess<'_>,
        password: &Password,
        hash: Option<PasswordHash>,
    ) -> Result<Verdict> {
        let verdict = self
            .deps
            .passwords
            .verify(text::password(password.expose()), hash, guess.site)
            .await?;
        let right = verdict != Verdict::Wrong;
        let judge = || async {
            let now = self.deps.clock.now();
            self.deps.guesses.judge(guess, right, now).await
        };
        let mut wait = judge().await?;
        // Others have spent the budget since `may_guess`, which had no reason to look for a usual place. A wrong password costs the
        // same look-up: time tells nothing.
        if wait.is_some() && self.remember_usual_network(guess).await? {
            wait = judge().await?;
        }
        if let Some(wait) = wait {
            return Err(too_many(wait));
        }
        metrics::counter!("password_guesses_total", "outcome" => if right { "right" } else { "wrong" }).increment(1);
        Ok(verdict)
    }

    /// Stores a family if the password is still the one that was verified; otherwise
    /// `PASSWORD_INCORRECT`.
    pub(super) async fn open_family(
        &self,
        known: &Credentials,
        id: FamilyId,
        network: [u8; 32],
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<()> {
        let Account { id: account, .. } = known.account;
        let family = TokenFamily {
            id,
            account,
            generation: FIRST_GENERATION,
            rotated_at: now,
            sealed_pair: None,
            expires_at,
            revoked_at: None,
            network: Some(network),
        };
        if self
            .deps
            .credentials
            .open_family(&family, &known.password)
            .await?
        {
            Ok(())
        } else {
            Err(incorrect())
        }
    }
}

/// The text of a network that is fingerprinted; the network itself is never stored.
pub(super) fn network_of(site: Site) -> String {
    format!("sign-in:{}", site.network)
}

/// The answer when a budget is used up, for unknown usernames too.
fn too_many(wait: Duration) -> Error {
    metrics::counter!("password_guesses_total", "outcome" => "wait").increment(1);
    Error::new(
        ErrorCode::RateLimited,
        "too many wrong passwords were tried for this name, or from here; wait before the next",
    )
    .retry_after(wait)
}

fn incorrect() -> Error {
    Error::new(
        ErrorCode::PasswordIncorrect,
        "the username or the password is wrong",
    )
}

#[cfg(test)]
mod tests {
    use crate::account::fakes::{HERE, THERE, TRIES, TestAccounts, Work};
    use faceshare_biz::ErrorCode;
    use faceshare_biz::domain::account::Password;

    #[tokio::test]
    async fn only_the_right_password_signs_in() {
        let app = TestAccounts::new();
        let ann = app.member("ann_1", "pa\u{308}ssword").await;
        let accounts = app.accounts();
        let signed_in = accounts
            .sign_in("ANN_1", &Password::new("p\u{e4}ssword"), HERE)
            .await
            .expect("signed in");
        assert_eq!(signed_in.account, ann);
        assert!(
            !accounts
                .authenticate(&signed_in.tokens.access.token)
                .expect("a caller")
                .guest
        );
        accounts
            .refresh(&signed_in.tokens.refresh.token)
            .await
            .expect("refreshed");

        let wrong = accounts
            .sign_in("ann_1", &Password::new("password"), HERE)
            .await
            .expect_err("wrong");
        let unknown = accounts
            .sign_in("unknown", &Password::new("password"), HERE)
            .await
            .expect_err("unknown");
        assert_eq!(
            (wrong.code, unknown.code),
            (ErrorCode::PasswordIncorrect, ErrorCode::PasswordIncorrect)
        );
        assert_eq!(wrong.detail, unknown.detail);
        assert_eq!(
            app.passwords.compared(),
            3,
            "an unknown name is compared as well"
        );
    }

    /// Timing does not reveal usernames: both sign-ins do the same hashing for an unknown name as
    /// for a wrong password.
    #[tokio::test]
    async fn an_unknown_name_is_the_same_work_as_a_wrong_password() {
        let app = TestAccounts::new();
        app.member("ann_1", "password").await;
        let accounts = app.accounts();
        app.passwords.work();
        let guess = Password::new("passwo\u{308}rt");
        for name in ["ann_1", "unknown", "not a name at all", ""] {
            accounts
                .sign_in(name, &guess, HERE)
                .await
                .expect_err("wrong");
            assert_eq!(
                app.passwords.work(),
                [Work::Verify("passw\u{f6}rt".to_owned())],
                "{name:?}"
            );
            let refused = accounts
                .sign_in_for_cookie(name, &guess, HERE)
                .await
                .expect("answered");
            assert!(refused.is_err());
            assert_eq!(
                app.passwords.work(),
                [Work::Verify("passw\u{f6}rt".to_owned())],
                "{name:?} in the classic API"
            );
        }
    }

    #[tokio::test]
    async fn after_too_many_wrong_passwords_the_right_one_waits_too_and_no_hash_is_made() {
        let app = TestAccounts::new();
        app.member("ann_1", "password").await;
        let accounts = app.accounts();
        for name in ["ann_1", "unknown"] {
            for _ in 0..TRIES {
                let wrong = accounts
                    .sign_in(name, &Password::new("passwort"), HERE)
                    .await
                    .expect_err("wrong");
                assert_eq!(wrong.code, ErrorCode::PasswordIncorrect);
            }
        }
        let compared = app.passwords.compared();
        for name in ["ann_1", "unknown"] {
            let refused = accounts
                .sign_in(name, &Password::new("password"), HERE)
                .await
                .expect_err("spent");
            assert_eq!(refused.code, ErrorCode::RateLimited, "{name}");
            assert!(refused.retry_after.is_some());
        }
        assert_eq!(app.passwords.compared(), compared);
    }

    /// The budgets of this test do not remember sign-ins, like those of a process that has just
    /// started.
    #[tokio::test]
    async fn wrong_passwords_from_elsewhere_do_not_block_the_owner_on_a_usual_network_after_a_restart()
     {
        let app = TestAccounts::new();
        app.member("ann_1", "password").await;
        let accounts = app.accounts();
        accounts
            .sign_in("ann_1", &Password::new("password"), HERE)
            .await
            .expect("signed in");
        for _ in 0..TRIES {
            accounts
                .sign_in("ann_1", &Password::new("passwort"), THERE)
                .await
                .expect_err("wrong");
        }
        let refused = accounts
            .sign_in("ann_1", &Password::new("password"), THERE)
            .await
            .expect_err("spent");
        assert_eq!(refused.code, ErrorCode::RateLimited);
        accounts
            .sign_in("ann_1", &Password::new("password"), HERE)
            .await
            .expect("a usual network");
    }

    #[tokio::test]
    async fn strangers_that_spend_the_budget_meanwhile_do_not_keep_an_owner_out_of_a_usual_place() {
        let app = TestAccounts::new();
        app.member("ann_1", "password").await;
        let accounts = app.accounts();
        let (right, wrong) = (Password::new("password"), Password::new("passwort"));
        accounts
            .sign_in("ann_1", &right, HERE)
            .await
            .expect("signed in");
        for _ in 1..TRIES {
            accounts
                .sign_in("ann_1", &wrong, THERE)
                .await
                .expect_err("wrong");
        }
        // The second one finishes first, so the stranger's is judged before the owner's.
        app.passwords.finish_together(2);
        let (owner, stranger) = futures_util::future::join(
            accounts.sign_in("ann_1", &right, HERE),
            accounts.sign_in("ann_1", &wrong, THERE),
        )
        .await;
        assert_eq!(
            stranger.expect_err("wrong").code,
            ErrorCode::PasswordIncorrect,
            "it spent the budget"
        );
        owner.expect("a usual place");
    }

    #[tokio::test]
    async fn concurrent_wrong_passwords_are_answered_no_more_often_than_sequential_ones() {
        let app = TestAccounts::new();
        app.member("ann_1", "password").await;
        let accounts = app.accounts();
        app.passwords.finish_together(10);
        let guesses = (0..10).map(|_| async {
            accounts
                .sign_in("ann_1", &Password::new("passwort"), HERE)
                .await
                .expect_err("wrong")
                .code
        });
        let codes = futures_util::future::join_all(guesses).await;
        assert_eq!(
            app.passwords.compared(),
            10,
            "all were let through before the first was judged"
        );
        assert_eq!(
            codes
                .iter()
                .filter(|code| **code == ErrorCode::PasswordIncorrect)
                .count(),
            TRIES
        );
        assert_eq!(
            codes
                .iter()
                .filter(|code| **code == ErrorCode::RateLimited)
                .count(),
            10 - TRIES
        );
    }

    #[tokio::test]
    async fn an_outdated_hash_is_replaced_once() {
        let app = TestAccounts::new();
        app.member("ann_1", "password").await;
        app.passwords.raise_parameters();
        for _ in 0..2 {
            app.accounts()
                .sign_in("ann_1", &Password::new("password"), HERE)
                .await
                .expect("signed in");
        }
        assert_eq!(app.passwords.rehashed(), 1);
    }

    #[tokio::test]
    async fn a_password_that_is_changed_during_the_comparison_does_not_sign_in() {
        let app = TestAccounts::new();
        app.member("ann_1", "password").await;
        app.passwords
            .change_password_during_compare(app.credentials.clone(), "ann_1");
        let error = app
            .accounts()
            .sign_in("ann_1", &Password::new("password"), HERE)
            .await
            .expect_err("changed meanwhile");
        assert_eq!(error.code, ErrorCode::PasswordIncorrect);
    }
}
