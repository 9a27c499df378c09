//! Signing in with a name and a password.

use super::{Accounts, FIRST_GENERATION, SignedIn};
use crate::facesession::carry_through;
use crate::text;
use faceshare_biz::domain::account::{Account, Credentials, Password, TokenFamily, Verdict};
use faceshare_biz::domain::{FamilyId, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};

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
    /// `PASSWORD_INCORRECT`, alike in text and time for a wrong name and a wrong password; `UNAVAILABLE` when too many are signing in.
    pub async fn sign_in(&self, username: &str, password: &Password) -> Result<SignedIn> {
        let known = self.prove(username, password).await?.map_err(|_| incorrect())?;
        let accounts = self.clone();
        carry_through(async move {
            let (family, now) = (accounts.new_family_id()?, accounts.deps.clock.now());
            let tokens = accounts.issue_pair(&known.account, family, FIRST_GENERATION, now)?;
            accounts.open_family(&known, family, tokens.refresh.expires_at, now).await?;
            Ok(SignedIn { account: known.account, tokens })
        })
        .await
    }

    /// Looks whether this is the password of this name, and freshens its hash when that is outdated.
    pub(super) async fn prove(&self, username: &str, password: &Password) -> Result<Result<Credentials, Mismatch>> {
        let found = self.deps.credentials.by_username(username).await?;
        let hash = found.as_ref().map(|known| known.password.clone());
        let verdict = self.deps.passwords.verify(text::password(password.expose()), hash).await?;
        let Some(mut known) = found else { return Ok(Err(Mismatch::Name)) };
        match verdict {
            Verdict::Wrong => return Ok(Err(Mismatch::Password)),
            Verdict::Right => {}
            Verdict::Outdated(fresh) => {
                if self.deps.credentials.rehash(known.account.id, &known.password, &fresh).await? {
                    known.password = fresh;
                }
            }
        }
        Ok(Ok(known))
    }

    /// Keeps a family that rests on a password; a password that was changed meanwhile carries nothing.
    pub(super) async fn open_family(&self, known: &Credentials, id: FamilyId, expires_at: Timestamp, now: Timestamp) -> Result<()> {
        let Account { id: account, .. } = known.account;
        let family =
            TokenFamily { id, account, generation: FIRST_GENERATION, rotated_at: now, sealed_pair: None, expires_at, revoked_at: None };
        if self.deps.credentials.open_family(&family, &known.password).await? { Ok(()) } else { Err(incorrect()) }
    }
}

fn incorrect() -> Error {
    Error::new(ErrorCode::PasswordIncorrect, "the username or the password is wrong")
}

#[cfg(test)]
mod tests {
    use crate::account::fakes::House;
    use faceshare_biz::ErrorCode;
    use faceshare_biz::domain::account::Password;

    #[tokio::test]
    async fn the_password_opens_and_nothing_else_does() {
        let house = House::new();
        let ann = house.member("ann_1", "pa\u{308}ssword").await;
        let accounts = house.accounts();
        let signed_in = accounts.sign_in("ANN_1", &Password::new("p\u{e4}ssword")).await.expect("signed in");
        assert_eq!(signed_in.account, ann);
        assert!(!accounts.authenticate(&signed_in.tokens.access.token).expect("a caller").guest);
        accounts.refresh(&signed_in.tokens.refresh.token).await.expect("refreshed");

        let wrong = accounts.sign_in("ann_1", &Password::new("password")).await.expect_err("wrong");
        let unknown = accounts.sign_in("nobody", &Password::new("password")).await.expect_err("unknown");
        assert_eq!((wrong.code, unknown.code), (ErrorCode::PasswordIncorrect, ErrorCode::PasswordIncorrect));
        assert_eq!(wrong.detail, unknown.detail);
        assert_eq!(house.passwords.compared(), 3, "an unknown name is compared as well");
    }

    #[tokio::test]
    async fn an_outdated_hash_is_replaced_once() {
        let house = House::new();
        house.member("ann_1", "password").await;
        house.passwords.raise_parameters();
        for _ in 0..2 {
            house.accounts().sign_in("ann_1", &Password::new("password")).await.expect("signed in");
        }
        assert_eq!(house.passwords.rehashed(), 1);
    }

    #[tokio::test]
    async fn a_password_that_changes_meanwhile_opens_nothing() {
        let house = House::new();
        house.member("ann_1", "password").await;
        house.passwords.when_compared(house.credentials.clone(), "ann_1");
        let error = house.accounts().sign_in("ann_1", &Password::new("password")).await.expect_err("changed meanwhile");
        assert_eq!(error.code, ErrorCode::PasswordIncorrect);
    }
}
