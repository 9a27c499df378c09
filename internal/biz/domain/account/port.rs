//! Where people and their token families are kept.

use super::{Account, TokenFamily};
use crate::Result;
use crate::domain::{AccountId, FamilyId, Timestamp};
use async_trait::async_trait;

/// Keeps accounts and guests.
#[async_trait]
pub trait AccountRepository: Send + Sync + 'static {
    /// Keeps a new one. `ALREADY_EXISTS` when the id or the username is taken.
    async fn insert(&self, account: &Account) -> Result<()>;
    /// The account of this id, if there is one.
    async fn find(&self, id: AccountId) -> Result<Option<Account>>;
    /// Guests made before `before` who have not refreshed a token since, by ascending id from after `after` on, at most `limit`.
    async fn unused_guests(&self, before: Timestamp, after: Option<AccountId>, limit: u32) -> Result<Vec<AccountId>>;
    /// Forgets a guest and its token families, if it is still as [`unused_guests`](Self::unused_guests) says of this `before`. Atomic.
    /// `false`, and nothing changed: it is not.
    async fn forget_guest(&self, id: AccountId, before: Timestamp) -> Result<bool>;
}

/// The step from one pair of tokens to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The family.
    pub family: FamilyId,
    /// Applies only while the newest generation is this.
    pub from_generation: u32,
    /// When.
    pub at: Timestamp,
    /// The new pair, sealed.
    pub sealed_pair: String,
    /// When the new refresh token ends.
    pub expires_at: Timestamp,
}

/// Keeps token families.
#[async_trait]
pub trait TokenFamilyRepository: Send + Sync + 'static {
    /// Keeps a new one.
    async fn insert(&self, family: &TokenFamily) -> Result<()>;
    /// The family of this id, if there is one.
    async fn find(&self, id: FamilyId) -> Result<Option<TokenFamily>>;
    /// Moves to the next generation, atomically: `false`, and nothing changed, when the family is revoked or at another generation.
    async fn rotate(&self, rotation: &Rotation) -> Result<bool>;
    /// Revokes; a second time changes nothing.
    async fn revoke(&self, id: FamilyId, at: Timestamp) -> Result<()>;
}
