//! People: how guests and accounts come to be, how they sign in and out, and how tokens are renewed.
//!
//! A sign-in opens a **family** of tokens. Each refresh moves it to its next generation; what a refresh token may still do after that is
//! decided in one place, the `refresh` module.

mod classic;
#[cfg(test)]
pub(crate) mod fakes;
mod guest;
mod me;
mod picture;
mod refresh;
mod sign_in;
mod sign_out;
mod sign_up;

pub use classic::ClassicRefusal;
pub use picture::{PICTURE_PATH, PictureUpload};
pub use sign_up::{NewAccount, SignUpRules};

use async_trait::async_trait;
use faceshare_biz::domain::account::{
    AccessClaims, Account, AccountRepository, Caller, CredentialRepository, PasswordBudgets,
    PasswordHasher, PictureRepository, Portraitist, RefreshClaims, RevocationRegistry,
    TokenFamilyRepository, TokenPair,
};
use faceshare_biz::domain::port::{Clock, IdGenerator, Secrets, TokenRefusal, Tokens};
use faceshare_biz::domain::{AccountId, FamilyId, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};
use std::sync::Arc;

/// The generation of the first pair of a family.
const FIRST_GENERATION: u32 = 1;

/// Where people are seen while they change.
#[async_trait]
pub trait AccountObserver: Send + Sync + 'static {
    /// The account is this now.
    async fn changed(&self, account: &Account);
    /// The account is gone. Its connections are still there: until this first waits, nothing has told them that their sign-in is over.
    async fn deleted(&self, account: AccountId);
}

/// What [`Accounts`] works with.
#[derive(Clone)]
pub struct AccountDeps {
    /// Accounts and guests.
    pub accounts: Arc<dyn AccountRepository>,
    /// What proves that somebody is who it says.
    pub credentials: Arc<dyn CredentialRepository>,
    /// Hashes passwords.
    pub passwords: Arc<dyn PasswordHasher>,
    /// How many may be wrong.
    pub guesses: Arc<dyn PasswordBudgets>,
    /// Makes pictures.
    pub portraits: Arc<dyn Portraitist>,
    /// Finds them.
    pub pictures: Arc<dyn PictureRepository>,
    /// Token families.
    pub families: Arc<dyn TokenFamilyRepository>,
    /// Which of them are revoked.
    pub revocations: Arc<dyn RevocationRegistry>,
    /// Told what happens to accounts.
    pub observer: Arc<dyn AccountObserver>,
    /// Issues and verifies tokens; knows how long they live.
    pub tokens: Arc<dyn Tokens>,
    /// Seals pairs at rest.
    pub secrets: Arc<dyn Secrets>,
    /// Fresh ids.
    pub ids: Arc<dyn IdGenerator>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What the configuration says about people.
#[derive(Debug, Clone, Copy)]
pub struct AccountPolicy {
    /// Whether guests may come (`auth.guests`).
    pub guests: bool,
    /// The most characters in a nickname.
    pub nickname_max: usize,
}

/// Somebody, with fresh tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The person.
    pub account: Account,
    /// What it now calls with.
    pub tokens: TokenPair,
}

/// The use cases around people. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    deps: AccountDeps,
    policy: AccountPolicy,
}

impl Accounts {
    /// Over these adapters, under this policy.
    #[must_use]
    pub const fn new(deps: AccountDeps, policy: AccountPolicy) -> Self {
        Self { deps, policy }
    }

    /// Who calls with this access token.
    ///
    /// # Errors
    /// `TOKEN_EXPIRED` (refresh) or `UNAUTHENTICATED` (sign in).
    pub fn authenticate(&self, access_token: &str) -> Result<Caller> {
        let caller = self
            .deps
            .tokens
            .verify_access(access_token, self.deps.clock.now())
            .map_err(|refusal| match refusal {
                TokenRefusal::Expired => Error::new(
                    ErrorCode::TokenExpired,
                    "the access token has expired: refresh it",
                ),
                TokenRefusal::Invalid => sign_in_again("the access token is not valid"),
            })?;
        self.still_signed_in(caller)
    }

    fn still_signed_in(&self, caller: Caller) -> Result<Caller> {
        if self.deps.revocations.is_revoked(caller.family) {
            Err(sign_in_again("you have signed out"))
        } else {
            Ok(caller)
        }
    }

    /// The caller's account.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when it is gone.
    pub async fn account(&self, caller: Caller) -> Result<Account> {
        self.deps
            .accounts
            .find(caller.account)
            .await?
            .ok_or_else(|| sign_in_again("the account is gone"))
    }

    /// The pair of one generation of a family.
    fn issue_pair(
        &self,
        account: &Account,
        family: FamilyId,
        generation: u32,
        now: Timestamp,
    ) -> Result<TokenPair> {
        let access = AccessClaims {
            account: account.id,
            family,
            guest: account.is_guest(),
        };
        let refresh = RefreshClaims {
            account: account.id,
            family,
            generation,
        };
        Ok(TokenPair {
            access: self.deps.tokens.issue_access(&access, now)?,
            refresh: self.deps.tokens.issue_refresh(&refresh, now)?,
        })
    }

    fn new_account_id(&self) -> Result<AccountId> {
        AccountId::new(self.deps.ids.next_id()).ok_or_else(bad_id)
    }

    fn new_family_id(&self) -> Result<FamilyId> {
        FamilyId::new(self.deps.ids.next_id()).ok_or_else(bad_id)
    }
}

fn bad_id() -> Error {
    Error::internal("the id generator gave a number that is no id")
}

/// `UNAUTHENTICATED`: nothing but a new sign-in helps.
fn sign_in_again(detail: &'static str) -> Error {
    Error::new(ErrorCode::Unauthenticated, detail)
}
