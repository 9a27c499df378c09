//! Sign-up with a username and a password: creates an account or promotes a guest.

use super::Accounts;
use crate::facesession::run_to_completion;
use crate::idempotency::EffectId;
use crate::text::{FieldChecks, checked};
use faceshare_biz::domain::account::{Account, Caller, HashQueue, Password, Promotion};
use faceshare_biz::domain::{AccountId, Nickname, Site};
use faceshare_biz::{Error, ErrorCode, Result, constants};
use std::ops::RangeInclusive;

/// A sign-up.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// The username, of any case.
    pub username: String,
    /// The password, unchecked.
    pub password: Password,
    /// The nickname; `None`: a guest keeps its own, a new account gets its username.
    pub nickname: Option<String>,
    /// The site of the caller, for the quotas of the hashing queue.
    pub site: Site,
    /// The effect id of a guest's call that may be repeated: an account that already has it was
    /// made of this guest by an earlier attempt at the same call. `None`: the call is not repeated.
    pub effect: Option<EffectId>,
}

/// The allowed lengths of new usernames and passwords.
#[derive(Debug, Clone)]
pub struct SignUpRules {
    /// The length of a username, in characters.
    pub username: RangeInclusive<usize>,
    /// The length of a password, in characters.
    pub password: RangeInclusive<usize>,
}

impl Default for SignUpRules {
    fn default() -> Self {
        Self {
            username: constants::USERNAME_LENGTH,
            password: constants::PASSWORD_LENGTH,
        }
    }
}

/// The checked fields of a sign-up.
struct CheckedSignUp {
    username: String,
    password: Password,
    nickname: Option<Nickname>,
    site: Site,
    effect: Option<EffectId>,
}

impl Accounts {
    /// Creates an account. If the caller is a guest, the guest becomes the account and keeps its
    /// id, tokens and sessions. A repeat of the call that promoted the guest returns its account.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with paths `username`, `password`, `nickname`; `ALREADY_EXISTS` when the
    /// username is taken in any case, or the caller has an account already; `UNAUTHENTICATED` when
    /// the guest is deleted; `UNAVAILABLE` when too many passwords wait to be hashed,
    /// `RATE_LIMITED` when too many of them are from this site.
    pub async fn sign_up(
        &self,
        new: NewAccount,
        rules: &SignUpRules,
        caller: Option<Caller>,
    ) -> Result<Account> {
        let new = self.check(new, rules)?;
        if let Some(account) = self.promoted_before(caller, new.effect).await? {
            return Ok(account);
        }
        if caller.is_some_and(|caller| !caller.guest) {
            return Err(Error::new(
                ErrorCode::AlreadyExists,
                "you have an account already; sign out to make another",
            ));
        }
        // The repository enforces unique names; this check only avoids a useless hash.
        if self
            .deps
            .credentials
            .by_username(&new.username)
            .await?
            .is_some()
        {
            return Err(Error::new(
                ErrorCode::AlreadyExists,
                "the username is taken",
            ));
        }
        let accounts = self.clone();
        run_to_completion(async move {
            match caller {
                Some(guest) => accounts.promote(guest.account, new).await,
                None => accounts.make(new).await,
            }
        })
        .await
    }

    fn check(&self, new: NewAccount, rules: &SignUpRules) -> Result<CheckedSignUp> {
        let mut checks = FieldChecks::default();
        checks.username("username", &new.username, &rules.username);
        let password = checks.new_password("password", new.password.expose(), &rules.password);
        let nickname = new
            .nickname
            .map(|nickname| checks.nickname("nickname", &nickname, self.policy.nickname_max));
        checks.finish()?;
        Ok(CheckedSignUp {
            username: new.username,
            password,
            nickname: nickname.map(checked).transpose()?,
            site: new.site,
            effect: new.effect,
        })
    }

    async fn make(&self, new: CheckedSignUp) -> Result<Account> {
        let nickname = match new.nickname {
            Some(nickname) => nickname,
            None => named_after(&new.username)?,
        };
        let hash = self
            .deps
            .passwords
            .hash(new.password, HashQueue::SignUp, new.site)
            .await?;
        let account = Account {
            id: self.new_account_id()?,
            username: Some(new.username),
            nickname,
            avatar_url: String::new(),
            created_at: self.deps.clock.now(),
        };
        self.deps.credentials.insert(&account, &hash).await?;
        Ok(account)
    }

    /// The account that an earlier attempt at the call with this effect id made of the caller. The
    /// observer may not have been informed then.
    async fn promoted_before(
        &self,
        caller: Option<Caller>,
        effect: Option<EffectId>,
    ) -> Result<Option<Account>> {
        let Some((caller, EffectId(effect))) = caller.zip(effect) else {
            return Ok(None);
        };
        let found = self
            .deps
            .accounts
            .promoted_by(caller.account, effect)
            .await?;
        if let Some(account) = &found {
            self.deps.observer.changed(account).await;
        }
        Ok(found)
    }

    async fn promote(&self, guest: AccountId, new: CheckedSignUp) -> Result<Account> {
        let gone = || super::sign_in_again("the guest is gone: sign up without its token");
        let before = self.deps.accounts.find(guest).await?.ok_or_else(gone)?;
        let nickname = new.nickname.unwrap_or(before.nickname);
        let hash = self
            .deps
            .passwords
            .hash(new.password, HashQueue::SignUp, new.site)
            .await?;
        if !self
            .deps
            .accounts
            .promote(&Promotion {
                guest,
                username: new.username,
                nickname,
                password: hash,
                at: self.deps.clock.now(),
                effect: new.effect.map(|EffectId(id)| id),
            })
            .await?
        {
            return match self.deps.accounts.find(guest).await? {
                Some(_) => Err(Error::new(
                    ErrorCode::AlreadyExists,
                    "you have an account already; refresh your tokens",
                )),
                None => Err(gone()),
            };
        }
        let account = self.deps.accounts.find(guest).await?.ok_or_else(gone)?;
        self.deps.observer.changed(&account).await;
        Ok(account)
    }
}

/// A username is a valid nickname even if the configured limit of nicknames is shorter.
fn named_after(username: &str) -> Result<Nickname> {
    Nickname::new(username, *constants::USERNAME_LENGTH.end()).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::{NewAccount, SignUpRules};
    use crate::account::fakes::{HERE, TestAccounts};
    use crate::idempotency::EffectId;
    use faceshare_biz::ErrorCode;
    use faceshare_biz::domain::account::Password;

    fn new(username: &str, password: &str) -> NewAccount {
        NewAccount {
            username: username.into(),
            password: Password::new(password),
            nickname: None,
            site: HERE,
            effect: None,
        }
    }

    #[tokio::test]
    async fn an_account_goes_by_its_username_unless_it_says_otherwise() {
        let app = TestAccounts::new();
        let rules = SignUpRules::default();
        let ann = app
            .accounts()
            .sign_up(new("Ann_1", "password"), &rules, None)
            .await
            .expect("an account");
        assert_eq!(
            (
                ann.username.as_deref(),
                ann.nickname.as_str(),
                ann.is_guest()
            ),
            (Some("Ann_1"), "Ann_1", false)
        );
        let ben = NewAccount {
            nickname: Some(" Ben ".into()),
            ..new("ben_1", "password")
        };
        assert_eq!(
            app.accounts()
                .sign_up(ben, &rules, None)
                .await
                .expect("an account")
                .nickname
                .as_str(),
            "Ben"
        );
    }

    #[tokio::test]
    async fn a_username_is_unique_in_any_case() {
        let app = TestAccounts::new();
        let rules = SignUpRules::default();
        app.accounts()
            .sign_up(new("ann_1", "password"), &rules, None)
            .await
            .expect("an account");
        let refused = app
            .accounts()
            .sign_up(new("ANN_1", "password"), &rules, None)
            .await
            .expect_err("taken");
        assert_eq!(refused.code, ErrorCode::AlreadyExists);
    }

    #[tokio::test]
    async fn every_wrong_field_is_reported() {
        let bad = NewAccount {
            nickname: Some(String::new()),
            ..new("a b", "short")
        };
        let error = TestAccounts::new()
            .accounts()
            .sign_up(bad, &SignUpRules::default(), None)
            .await
            .expect_err("wrong");
        let paths: Vec<_> = error.violations.iter().map(|v| v.path.as_str()).collect();
        assert_eq!(paths, ["username", "username", "password", "nickname"]);
    }

    #[tokio::test]
    async fn a_repeated_call_promotes_a_guest_once_and_is_answered_as_before() {
        let app = TestAccounts::new();
        let accounts = app.accounts();
        let guest = accounts.sign_up_guest("Ann").await.expect("a guest");
        let caller = accounts
            .authenticate(&guest.tokens.access.token)
            .expect("a caller");
        let rules = SignUpRules::default();
        let keyed = |effect| NewAccount {
            effect: Some(EffectId(effect)),
            ..new("ann_1", "password")
        };
        let first = accounts
            .sign_up(keyed(7), &rules, Some(caller))
            .await
            .expect("an account");
        app.passwords.work();
        let again = accounts.sign_up(keyed(7), &rules, Some(caller)).await;
        assert_eq!(again.expect("repeated"), first);
        assert_eq!(app.passwords.work(), [], "nothing is hashed again");
        assert_eq!(
            app.observer.changed(),
            [first.clone(), first],
            "the first attempt may have died before it informed the observer"
        );
        for other in [keyed(8), new("ann_1", "password")] {
            let refused = accounts
                .sign_up(other, &rules, Some(caller))
                .await
                .expect_err("another call");
            assert_eq!(refused.code, ErrorCode::AlreadyExists);
        }
    }

    #[tokio::test]
    async fn a_promoted_guest_keeps_its_id_nickname_and_tokens() {
        let app = TestAccounts::new();
        let accounts = app.accounts();
        let guest = accounts.sign_up_guest("Ann").await.expect("a guest");
        let caller = accounts
            .authenticate(&guest.tokens.access.token)
            .expect("a caller");
        let rules = SignUpRules::default();
        let account = accounts
            .sign_up(new("ann_1", "password"), &rules, Some(caller))
            .await
            .expect("an account");
        assert_eq!(
            (account.id, account.nickname.as_str(), account.is_guest()),
            (guest.account.id, "Ann", false)
        );
        assert_eq!(
            app.observer.changed(),
            std::slice::from_ref(&account),
            "its sessions are informed"
        );
        let refreshed = accounts
            .refresh(&guest.tokens.refresh.token)
            .await
            .expect("its tokens go on");
        assert_eq!(refreshed.account, account);
        assert!(
            !accounts
                .authenticate(&refreshed.tokens.access.token)
                .expect("a caller")
                .guest
        );

        for again in [
            Some(caller),
            Some(faceshare_biz::domain::account::Caller {
                guest: false,
                ..caller
            }),
        ] {
            let refused = accounts
                .sign_up(new("ann_2", "password"), &rules, again)
                .await
                .expect_err("it has one");
            assert_eq!(refused.code, ErrorCode::AlreadyExists);
        }
    }
}
