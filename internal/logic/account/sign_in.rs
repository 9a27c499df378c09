//! Signing in with a name and a password.

use super::{Accounts, FIRST_GENERATION, SignedIn};
use crate::facesession::carry_through;
use crate::text;
use faceshare_biz::domain::account::{
    Account, Credentials, Password, PasswordGuess, PasswordHash, TokenFamily, Verdict,
};
use faceshare_biz::domain::port::SecretUse;
use faceshare_biz::domain::{AccountId, FamilyId, Site, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};
use std::time::Duration;

/// Why a name and a password do not fit. Told apart for those alone who may know which names there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// Nobody has this name.
    Name,
    /// Somebody has it, with another password.
    Password,
}

impl Accounts {
    /// Opens a token family for whoever knows the password.
    ///
    /// # Errors
    /// `PASSWORD_INCORRECT`, alike in text and time for a wrong name and a wrong password; `RATE_LIMITED` after too many of those;
    /// `UNAVAILABLE` when too many are signing in, `RATE_LIMITED` when too many of them from this site.
    pub async fn sign_in(
        &self,
        username: &str,
        password: &Password,
        site: Site,
    ) -> Result<SignedIn> {
        let known = self
            .prove(&PasswordGuess { username, site }, password)
            .await?
            .map_err(|_| incorrect())?;
        let network = self
            .deps
            .secrets
            .fingerprint(SecretUse::Address, &network_of(site));
        let accounts = self.clone();
        carry_through(async move {
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

    /// Looks whether this is the password of this name, and freshens its hash when that is outdated.
    pub(super) async fn prove(
        &self,
        guess: &PasswordGuess<'_>,
        password: &Password,
    ) -> Result<Result<Credentials, Mismatch>> {
        self.may_guess(guess).await?;
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

    /// Whether this guess needs to be looked at: spares the look-up and the hash of one that must wait.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub(super) async fn may_guess(&self, guess: &PasswordGuess<'_>) -> Result<()> {
        let (guesses, now) = (&self.deps.guesses, self.deps.clock.now());
        let Some(wait) = guesses.wait(guess, now).await? else {
            return Ok(());
        };
        if !self.remember_usual_place(guess).await? {
            return Err(too_many(wait));
        }
        guesses
            .wait(guess, now)
            .await?
            .map_or(Ok(()), |wait| Err(too_many(wait)))
    }

    /// Tells the budgets when this is a usual place: whether it is.
    async fn remember_usual_place(&self, guess: &PasswordGuess<'_>) -> Result<bool> {
        let usual = self.is_usual_place(guess).await?;
        if usual {
            self.deps.guesses.remember(guess).await?;
        }
        Ok(usual)
    }

    /// Whether somebody of this name signed in from this network, as the database knows it: the budgets in memory have forgotten after a
    /// restart. A name that nobody has is looked for as long.
    async fn is_usual_place(&self, guess: &PasswordGuess<'_>) -> Result<bool> {
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

    /// Compares a password with a hash. What comes of it counts.
    ///
    /// # Errors
    /// `RATE_LIMITED`, be it right or wrong, when others at the same time have spent the budget.
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
        if wait.is_some() && self.remember_usual_place(guess).await? {
            wait = judge().await?;
        }
        if let Some(wait) = wait {
            return Err(too_many(wait));
        }
        metrics::counter!("password_guesses_total", "outcome" => if right { "right" } else { "wrong" }).increment(1);
        Ok(verdict)
    }

    /// Keeps a family that rests on a password; a password that was changed meanwhile carries nothing.
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

/// A network as it is fingerprinted: never kept in clear.
pub(super) fn network_of(site: Site) -> String {
    format!("sign-in:{}", site.network)
}

/// A budget is spent. Said of names that nobody has as well.
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
    use crate::account::fakes::{HERE, House, THERE, TRIES, Work};
    use faceshare_biz::ErrorCode;
    use faceshare_biz::domain::account::Password;

    #[tokio::test]
    async fn the_password_opens_and_nothing_else_does() {
        let house = House::new();
        let ann = house.member("ann_1", "pa\u{308}ssword").await;
        let accounts = house.accounts();
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
            .sign_in("nobody", &Password::new("password"), HERE)
            .await
            .expect_err("unknown");
        assert_eq!(
            (wrong.code, unknown.code),
            (ErrorCode::PasswordIncorrect, ErrorCode::PasswordIncorrect)
        );
        assert_eq!(wrong.detail, unknown.detail);
        assert_eq!(
            house.passwords.compared(),
            3,
            "an unknown name is compared as well"
        );
    }

    /// Time tells nothing: what a name that nobody has costs is what a wrong password costs, whichever way one asks.
    #[tokio::test]
    async fn an_unknown_name_is_the_same_work_as_a_wrong_password() {
        let house = House::new();
        house.member("ann_1", "password").await;
        let accounts = house.accounts();
        house.passwords.work();
        let guess = Password::new("passwo\u{308}rt");
        for name in ["ann_1", "nobody", "not a name at all", ""] {
            accounts
                .sign_in(name, &guess, HERE)
                .await
                .expect_err("wrong");
            assert_eq!(
                house.passwords.work(),
                [Work::Verify("passw\u{f6}rt".to_owned())],
                "{name:?}"
            );
            let refused = accounts
                .sign_in_for_cookie(name, &guess, HERE)
                .await
                .expect("answered");
            assert!(refused.is_err());
            assert_eq!(
                house.passwords.work(),
                [Work::Verify("passw\u{f6}rt".to_owned())],
                "{name:?} in the classic API"
            );
        }
    }

    #[tokio::test]
    async fn after_too_many_wrong_passwords_the_right_one_waits_too_and_no_hash_is_made() {
        let house = House::new();
        house.member("ann_1", "password").await;
        let accounts = house.accounts();
        for name in ["ann_1", "nobody"] {
            for _ in 0..TRIES {
                let wrong = accounts
                    .sign_in(name, &Password::new("passwort"), HERE)
                    .await
                    .expect_err("wrong");
                assert_eq!(wrong.code, ErrorCode::PasswordIncorrect);
            }
        }
        let compared = house.passwords.compared();
        for name in ["ann_1", "nobody"] {
            let told = accounts
                .sign_in(name, &Password::new("password"), HERE)
                .await
                .expect_err("spent");
            assert_eq!(told.code, ErrorCode::RateLimited, "{name}");
            assert!(told.retry_after.is_some());
        }
        assert_eq!(house.passwords.compared(), compared);
    }

    /// The budgets of this test remember no sign-in, like those of a process that has just started.
    #[tokio::test]
    async fn strangers_do_not_keep_an_owner_out_of_a_usual_place_after_a_restart() {
        let house = House::new();
        house.member("ann_1", "password").await;
        let accounts = house.accounts();
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
        let told = accounts
            .sign_in("ann_1", &Password::new("password"), THERE)
            .await
            .expect_err("spent");
        assert_eq!(told.code, ErrorCode::RateLimited);
        accounts
            .sign_in("ann_1", &Password::new("password"), HERE)
            .await
            .expect("a usual place");
    }

    #[tokio::test]
    async fn strangers_that_spend_the_budget_meanwhile_do_not_keep_an_owner_out_of_a_usual_place() {
        let house = House::new();
        house.member("ann_1", "password").await;
        let accounts = house.accounts();
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
        // The second one of a meeting goes on first, so the stranger's is judged before the owner's.
        house.passwords.meet(2);
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
    async fn wrong_passwords_at_once_are_answered_no_more_often() {
        let house = House::new();
        house.member("ann_1", "password").await;
        let accounts = house.accounts();
        house.passwords.meet(10);
        let guesses = (0..10).map(|_| async {
            accounts
                .sign_in("ann_1", &Password::new("passwort"), HERE)
                .await
                .expect_err("wrong")
                .code
        });
        let codes = futures_util::future::join_all(guesses).await;
        assert_eq!(
            house.passwords.compared(),
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
        let house = House::new();
        house.member("ann_1", "password").await;
        house.passwords.raise_parameters();
        for _ in 0..2 {
            house
                .accounts()
                .sign_in("ann_1", &Password::new("password"), HERE)
                .await
                .expect("signed in");
        }
        assert_eq!(house.passwords.rehashed(), 1);
    }

    #[tokio::test]
    async fn a_password_that_changes_meanwhile_opens_nothing() {
        let house = House::new();
        house.member("ann_1", "password").await;
        house
            .passwords
            .when_compared(house.credentials.clone(), "ann_1");
        let error = house
            .accounts()
            .sign_in("ann_1", &Password::new("password"), HERE)
            .await
            .expect_err("changed meanwhile");
        assert_eq!(error.code, ErrorCode::PasswordIncorrect);
    }
}
