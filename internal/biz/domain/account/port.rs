//! The stores of accounts, credentials and token families.

use super::{Account, Credentials, PasswordHash, Picture, TokenFamily};
use crate::Result;
use crate::domain::{AccountId, FamilyId, Nickname, Timestamp};
use async_trait::async_trait;

/// Stores accounts and guests. Usernames are unique in any case. An adapter writes an event of each
/// account that is made, promoted, renamed or deleted, in the transaction of that change; a fake
/// has no event log.
#[async_trait]
pub trait AccountRepository: Send + Sync + 'static {
    /// Stores a new guest. `ALREADY_EXISTS` when the id is taken.
    async fn insert(&self, account: &Account) -> Result<()>;
    /// The account of this id, if there is one.
    async fn find(&self, id: AccountId) -> Result<Option<Account>>;
    /// Promotes a guest to an account; its id, families and everything that the promotion does not
    /// name stay. Atomic. `false`, and nothing changed: there is no such guest. `ALREADY_EXISTS`
    /// when the username is taken.
    async fn promote(&self, promotion: &Promotion) -> Result<bool>;
    /// The account of this id, if the promotion with this effect id made it.
    async fn promoted_by(&self, id: AccountId, effect: u64) -> Result<Option<Account>>;
    /// Changes the nickname, at this time. `false`: there is no such account.
    async fn rename(&self, id: AccountId, nickname: &Nickname, at: Timestamp) -> Result<bool>;
    /// Replaces the account's picture by this one under `key`, and its address by `url`. Atomic.
    /// `false`: there is no such account.
    async fn set_picture(
        &self,
        id: AccountId,
        key: &str,
        url: &str,
        picture: &Picture,
    ) -> Result<bool>;
    /// Deletes the account with all personal data and revokes its families, atomically. Returns the
    /// families it revoked. `None`: there is no such account.
    async fn delete(&self, id: AccountId, at: Timestamp) -> Result<Option<Vec<FamilyId>>>;
    /// Guests created before `before` that have not refreshed a token since `before`, by ascending
    /// id, after `after`, at most `limit`.
    async fn unused_guests(
        &self,
        before: Timestamp,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<AccountId>>;
    /// Deletes a guest and its token families, if it is still as
    /// [`unused_guests`](Self::unused_guests) says of this `before`; `at` is the time of deletion.
    /// Atomic. `false`, and nothing changed: it is not.
    async fn forget_guest(&self, id: AccountId, before: Timestamp, at: Timestamp) -> Result<bool>;
}

/// The promotion of a guest to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// The guest.
    pub guest: AccountId,
    /// The username of the account.
    pub username: String,
    /// The nickname of the account.
    pub nickname: Nickname,
    /// The hash of the password.
    pub password: PasswordHash,
    /// When the account counts as created.
    pub at: Timestamp,
    /// The effect id of the call; `None`: a call without an idempotency key.
    pub effect: Option<u64>,
}

/// Stores password hashes. Adapters never answer from a cache.
#[async_trait]
pub trait CredentialRepository: Send + Sync + 'static {
    /// Stores a new account with a password. `ALREADY_EXISTS` when the id or the username is taken;
    /// of two concurrent calls one succeeds.
    async fn insert(&self, account: &Account, password: &PasswordHash) -> Result<()>;
    /// The account of this username, if there is one.
    async fn by_username(&self, username: &str) -> Result<Option<Credentials>>;
    /// The account of this id, if it has a password.
    async fn by_id(&self, id: AccountId) -> Result<Option<Credentials>>;
    /// Stores the token family of a sign-in if the account's hash is still `password`, atomically.
    /// `false`, and nothing changed: the hash is another one.
    async fn open_family(&self, family: &TokenFamily, password: &PasswordHash) -> Result<bool>;
    /// Replaces the hash `old` by another one of the same password. `false`, and nothing changed:
    /// the hash is not `old` any more.
    async fn rehash(&self, id: AccountId, old: &PasswordHash, new: &PasswordHash) -> Result<bool>;
    /// Changes the password and revokes families, atomically. Returns the families it revoked.
    /// `None`, and nothing changed: the hash is not `change.old` any more.
    async fn change(&self, change: &PasswordChange) -> Result<Option<Vec<FamilyId>>>;
}

/// A change of an account's password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordChange {
    /// The account.
    pub account: AccountId,
    /// The hash that the account must still have.
    pub old: PasswordHash,
    /// The hash of the new password.
    pub new: PasswordHash,
    /// The family that stays; all others of the account are revoked.
    pub keep: FamilyId,
    /// When the change happens.
    pub at: Timestamp,
}

/// A rotation of a family: the step from one pair of tokens to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The family.
    pub family: FamilyId,
    /// The rotation applies only while this is the newest generation.
    pub from_generation: u32,
    /// When the change happens.
    pub at: Timestamp,
    /// The new pair, sealed.
    pub sealed_pair: String,
    /// When the new refresh token expires.
    pub expires_at: Timestamp,
}

/// Stores token families.
#[async_trait]
pub trait TokenFamilyRepository: Send + Sync + 'static {
    /// Stores a new family.
    async fn insert(&self, family: &TokenFamily) -> Result<()>;
    /// The family of this id, if there is one.
    async fn find(&self, id: FamilyId) -> Result<Option<TokenFamily>>;
    /// Moves the family to its next generation, atomically. `false`, and nothing changed: the
    /// family is revoked or at another generation.
    async fn rotate(&self, rotation: &Rotation) -> Result<bool>;
    /// Revokes the family. A repeat changes nothing.
    async fn revoke(&self, id: FamilyId, at: Timestamp) -> Result<()>;
    /// Whether a stored family of this account was opened from a network with one of these hashes.
    async fn opened_from(&self, account: AccountId, networks: &[[u8; 32]]) -> Result<bool>;
    /// The families revoked at `since` or later, and when each was revoked.
    async fn revoked_since(&self, since: Timestamp) -> Result<Vec<(FamilyId, Timestamp)>>;
    /// Deletes families that expired, and were last rotated or revoked, before `before`. Returns
    /// their number.
    async fn forget_ended(&self, before: Timestamp) -> Result<u64>;
}
