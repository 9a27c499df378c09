//! Guests and accounts: sign-up, sign-in, sign-out, changes of an account, and the renewal of
//! tokens.
//!
//! A sign-in opens a **family** of tokens. Each refresh moves the family to its next generation;
//! the `refresh` module alone decides what an older refresh token may still do.

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
    PasswordHasher, PictureProcessor, PictureRepository, RefreshClaims, RevocationRegistry,
    TokenFamilyRepository, TokenPair,
};
use faceshare_biz::domain::port::{Clock, IdGenerator, Secrets, TokenRefusal, Tokens};
use faceshare_biz::domain::{AccountId, FamilyId, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};
use std::sync::Arc;

/// The generation of the first pair of a family.
const FIRST_GENERATION: u32 = 1;

/// Is informed of changed and deleted accounts.
#[async_trait]
pub trait AccountObserver: Send + Sync + 'static {
    /// The account has changed to this state.
    async fn changed(&self, account: &Account);
    /// The account is deleted. Its connections are still open: they are informed of the revoked
    /// sign-in only after this method has first awaited.
    async fn deleted(&self, account: AccountId);
}

/// The ports that [`Accounts`] uses.
#[derive(Clone)]
pub struct AccountDeps {
    /// Accounts and guests.
    pub accounts: Arc<dyn AccountRepository>,
    /// Usernames and password hashes.
    pub credentials: Arc<dyn CredentialRepository>,
    /// Hashes passwords.
    pub passwords: Arc<dyn PasswordHasher>,
    /// The budgets of wrong passwords.
    pub guesses: Arc<dyn PasswordBudgets>,
    /// Decodes and scales uploaded pictures.
    pub portraits: Arc<dyn PictureProcessor>,
    /// The stored pictures.
    pub pictures: Arc<dyn PictureRepository>,
    /// The token families.
    pub families: Arc<dyn TokenFamilyRepository>,
    /// The revoked token families, in memory.
    pub revocations: Arc<dyn RevocationRegistry>,
    /// Is informed of changed and deleted accounts.
    pub observer: Arc<dyn AccountObserver>,
    /// Issues and verifies tokens; sets their lifetimes.
    pub tokens: Arc<dyn Tokens>,
    /// Seals stored token pairs and fingerprints networks.
    pub secrets: Arc<dyn Secrets>,
    /// Generates ids of accounts and families.
    pub ids: Arc<dyn IdGenerator>,
    /// The source of time.
    pub clock: Arc<dyn Clock>,
}

/// The configured rules of accounts.
#[derive(Debug, Clone, Copy)]
pub struct AccountPolicy {
    /// Whether guests may sign up (`auth.guests`).
    pub guests: bool,
    /// The most characters in a nickname.
    pub nickname_max: usize,
}

/// An account with new tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The account or guest.
    pub account: Account,
    /// The new access and refresh token.
    pub tokens: TokenPair,
}

/// The use cases of accounts. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    deps: AccountDeps,
    policy: AccountPolicy,
}

impl Accounts {
    /// Creates the use cases over these ports, with these rules.
    #[must_use]
    pub const fn new(deps: AccountDeps, policy: AccountPolicy) -> Self {
        Self { deps, policy }
    }

    /// The caller of a valid access token.
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
    /// `UNAUTHENTICATED` when it is deleted.
    pub async fn account(&self, caller: Caller) -> Result<Account> {
        self.deps
            .accounts
            .find(caller.account)
            .await?
            .ok_or_else(|| sign_in_again("the account is gone"))
    }

    /// Issues the token pair of one generation of a family.
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
        AccountId::new(self.deps.ids.next_id()).ok_or_else(invalid_id)
    }

    fn new_family_id(&self) -> Result<FamilyId> {
        FamilyId::new(self.deps.ids.next_id()).ok_or_else(invalid_id)
    }
}

fn invalid_id() -> Error {
    Error::internal("the id generator gave a number that is no id")
}

/// `UNAUTHENTICATED`: the client must sign in again.
fn sign_in_again(detail: &'static str) -> Error {
    Error::new(ErrorCode::Unauthenticated, detail)
}
