//! Accounts, callers, token families.

use super::PasswordHash;
use crate::domain::{AccountId, FamilyId, Nickname, Timestamp};

/// An account or a guest. A guest has no username.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Also the member id in every session.
    pub id: AccountId,
    /// Unique, case-insensitively; `None` for a guest.
    pub username: Option<String>,
    /// The name that others see.
    pub nickname: Nickname,
    /// Path of the picture; empty when there is none.
    pub avatar_url: String,
    /// When it was created; for a promoted guest, when it was promoted.
    pub created_at: Timestamp,
}

impl Account {
    /// Whether this is a guest.
    #[must_use]
    pub const fn is_guest(&self) -> bool {
        self.username.is_none()
    }
}

/// An account together with its password hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The account.
    pub account: Account,
    /// The hash of its password.
    pub password: PasswordHash,
}

/// The caller of a request, as a valid access token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The account or guest.
    pub account: AccountId,
    /// The sign-in that the token comes from.
    pub family: FamilyId,
    /// Whether it is a guest.
    pub guest: bool,
}

/// The claims of an access token.
pub type AccessClaims = Caller;

/// The claims of a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshClaims {
    /// The account or guest.
    pub account: AccountId,
    /// The sign-in that the token comes from.
    pub family: FamilyId,
    /// The pair of the family; counts up from 1 with each refresh.
    pub generation: u32,
}

/// A token and when it expires.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// A secret: never logged.
    pub token: String,
    /// The token is refused from then on.
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

/// The tokens that a sign-in or refresh issues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPair {
    /// The access token, for calls over HTTP.
    pub access: IssuedToken,
    /// The refresh token, for the next pair.
    pub refresh: IssuedToken,
}

/// All tokens that come from one sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFamily {
    /// The family's id.
    pub id: FamilyId,
    /// The account that signed in.
    pub account: AccountId,
    /// The newest pair's generation.
    pub generation: u32,
    /// When the newest pair was issued.
    pub rotated_at: Timestamp,
    /// The newest pair, sealed, for a repeat of the refresh that made it; `None` for the first
    /// pair.
    pub sealed_pair: Option<String>,
    /// When the newest refresh token expires.
    pub expires_at: Timestamp,
    /// When it was revoked; `None`: it is not.
    pub revoked_at: Option<Timestamp>,
    /// Keyed hash of the network of the sign-in; `None` for a guest's family, and once the account
    /// is deleted.
    pub network: Option<[u8; 32]>,
}
