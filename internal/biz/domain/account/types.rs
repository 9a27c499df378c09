//! Accounts, callers, token families.

use super::PasswordHash;
use crate::domain::{AccountId, FamilyId, Nickname, Timestamp};

/// A person. A guest has no username.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Also the member id in every session.
    pub id: AccountId,
    /// Unique, case-insensitively; `None` for a guest.
    pub username: Option<String>,
    /// What others see.
    pub nickname: Nickname,
    /// Path of the picture; empty when there is none.
    pub avatar_url: String,
    /// When it was made; an account that was a guest before, when it became one.
    pub created_at: Timestamp,
}

impl Account {
    /// Whether this is a guest.
    #[must_use]
    pub const fn is_guest(&self) -> bool {
        self.username.is_none()
    }
}

/// An account together with what proves that somebody is its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The account.
    pub account: Account,
    /// Of its password.
    pub password: PasswordHash,
}

/// Who makes a call, as a valid access token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The person.
    pub account: AccountId,
    /// The sign-in that the token comes from.
    pub family: FamilyId,
    /// Whether the person is a guest.
    pub guest: bool,
}

/// What an access token says.
pub type AccessClaims = Caller;

/// What a refresh token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshClaims {
    /// The person.
    pub account: AccountId,
    /// The sign-in.
    pub family: FamilyId,
    /// Which pair of the family: counts up with each refresh.
    pub generation: u32,
}

/// A token and its end.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// A secret: never logged.
    pub token: String,
    /// From then on it is refused.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedToken")
            .field("token", &"***")
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

/// What a sign-in or refresh gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPair {
    /// For calls.
    pub access: IssuedToken,
    /// For the next pair.
    pub refresh: IssuedToken,
}

/// All tokens that come from one sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFamily {
    /// Its id.
    pub id: FamilyId,
    /// Whose it is.
    pub account: AccountId,
    /// The newest pair's generation.
    pub generation: u32,
    /// When the newest pair was made.
    pub rotated_at: Timestamp,
    /// The newest pair, sealed, for a repeat of the refresh that made it; `None` for the first pair.
    pub sealed_pair: Option<String>,
    /// When the newest refresh token ends.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Keyed hash of the network that the password was said from; `None` for a guest's family, and once the account is deleted.
    pub network: Option<[u8; 32]>,
}
