//! Where people and their token families are kept.

use super::{Account, Credentials, PasswordHash, Picture, TokenFamily};
use crate::Result;
use crate::domain::{AccountId, FamilyId, Nickname, Timestamp};
use async_trait::async_trait;

/// Keeps accounts and guests. Usernames are unique whatever their case.
#[async_trait]
pub trait AccountRepository: Send + Sync + 'static {
    /// Keeps a new guest. `ALREADY_EXISTS` when the id is taken.
    async fn insert(&self, account: &Account) -> Result<()>;
    /// The account of this id, if there is one.
    async fn find(&self, id: AccountId) -> Result<Option<Account>>;
    /// Makes an account of a guest: username, nickname and password are set, and it counts as made `at` this time; id, families and
    /// everything else stay. Atomic. `false`, and nothing changed: there is no such guest (any more). `ALREADY_EXISTS` when the username is taken.
    async fn promote(
        &self,
        guest: AccountId,
        username: &str,
        nickname: &Nickname,
        password: &PasswordHash,
        at: Timestamp,
    ) -> Result<bool>;
    /// Changes the nickname. `false`: there is no such account.
    async fn rename(&self, id: AccountId, nickname: &Nickname) -> Result<bool>;
    /// Gives the account another picture under `key`, and the address `url`; the one before is gone. Atomic. `false`: there is no such account.
    async fn set_picture(
        &self,
        id: AccountId,
        key: &str,
        url: &str,
        picture: &Picture,
    ) -> Result<bool>;
    /// Forgets the account with everything personal, and revokes its families, atomically; the families it revoked. `None`: there is no such
    /// account.
    async fn delete(&self, id: AccountId, at: Timestamp) -> Result<Option<Vec<FamilyId>>>;
    /// Guests made before `before` who have not refreshed a token since, by ascending id from after `after` on, at most `limit`.
    async fn unused_guests(
        &self,
        before: Timestamp,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<AccountId>>;
    /// Forgets a guest and its token families, if it is still as [`unused_guests`](Self::unused_guests) says of this `before`. Atomic.
    /// `false`, and nothing changed: it is not.
    async fn forget_guest(&self, id: AccountId, before: Timestamp) -> Result<bool>;
}

/// Keeps what proves that somebody is who it says. Nothing of it is ever answered from a cache.
#[async_trait]
pub trait CredentialRepository: Send + Sync + 'static {
    /// Keeps a new account with a password. `ALREADY_EXISTS` when the id or the username is taken; of two at once one gets it.
    async fn insert(&self, account: &Account, password: &PasswordHash) -> Result<()>;
    /// The account of this username, if there is one.
    async fn by_username(&self, username: &str) -> Result<Option<Credentials>>;
    /// The account of this id, if it has a password.
    async fn by_id(&self, id: AccountId) -> Result<Option<Credentials>>;
    /// Keeps the token family of a sign-in. Atomic with the look at the password that it rests on: `false`, and nothing changed, when the
    /// account's hash is not `password` any more.
    async fn open_family(&self, family: &TokenFamily, password: &PasswordHash) -> Result<bool>;
    /// Puts another hash of the same password in the place of `old`. `false`, and nothing changed, when the hash is not `old` any more.
    async fn rehash(&self, id: AccountId, old: &PasswordHash, new: &PasswordHash) -> Result<bool>;
    /// Changes the password and revokes families, atomically; the families it revoked. `None`, and nothing changed, when the hash is not
    /// `change.old` any more.
    async fn change(&self, change: &PasswordChange) -> Result<Option<Vec<FamilyId>>>;
}

/// From one password to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordChange {
    /// Whose.
    pub account: AccountId,
    /// The hash that must still be there.
    pub old: PasswordHash,
    /// The hash of the new one.
    pub new: PasswordHash,
    /// The family that goes on; all others of the account are revoked.
    pub keep: FamilyId,
    /// When.
    pub at: Timestamp,
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
    /// Whether a family of this account that is still kept was opened from a network with one of these hashes.
    async fn opened_from(&self, account: AccountId, networks: &[[u8; 32]]) -> Result<bool>;
    /// The families revoked at `since` or later, and when.
    async fn revoked_since(&self, since: Timestamp) -> Result<Vec<(FamilyId, Timestamp)>>;
    /// Forgets families that ended, and were not renewed or revoked, before `before`; how many.
    async fn forget_ended(&self, before: Timestamp) -> Result<u64>;
}
