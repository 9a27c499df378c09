//! Accounts and passwords in a map.

use super::MemoryFamilies;
use async_trait::async_trait;
use faceshare_biz::domain::account::{
    Account, AccountRepository, CredentialRepository, Credentials, PasswordChange, PasswordHash,
    Picture, PictureRepository, Promotion, TokenFamily,
};
use faceshare_biz::domain::{AccountId, FamilyId, Nickname, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

type StoredAccounts = HashMap<AccountId, (Account, Option<PasswordHash>)>;

/// Accounts, credentials and pictures in maps.
#[derive(Default)]
pub(crate) struct MemoryAccounts {
    kept: Mutex<StoredAccounts>,
    /// The effect ids of promotions.
    effects: Mutex<HashMap<AccountId, u64>>,
    families: Arc<MemoryFamilies>,
    pictures: Mutex<HashMap<String, (AccountId, Picture)>>,
    deleted_after_find: Mutex<Option<AccountId>>,
}

impl MemoryAccounts {
    pub(crate) fn over(families: Arc<MemoryFamilies>) -> Self {
        Self {
            families,
            ..Self::default()
        }
    }

    fn kept(&self) -> MutexGuard<'_, StoredAccounts> {
        self.kept.lock().expect("not poisoned")
    }

    /// Replaces the hash of an account without any check.
    pub(crate) fn set_password(&self, username: &str, hash: PasswordHash) {
        let mut kept = self.kept();
        let stored = kept
            .values_mut()
            .find(|(account, _)| account.username.as_deref() == Some(username));
        stored.expect("an account with this username").1 = Some(hash);
    }

    /// Deletes the account right after the next successful find.
    pub(crate) fn delete_after_next_find(&self, id: AccountId) {
        *self.deleted_after_find.lock().expect("not poisoned") = Some(id);
    }

    fn add(&self, account: &Account, password: Option<&PasswordHash>) -> Result<()> {
        let mut kept = self.kept();
        if kept.contains_key(&account.id)
            || account
                .username
                .as_deref()
                .is_some_and(|name| is_taken(&kept, name))
        {
            return Err(taken());
        }
        kept.insert(account.id, (account.clone(), password.cloned()));
        Ok(())
    }
}

fn is_taken(kept: &StoredAccounts, username: &str) -> bool {
    kept.values()
        .any(|(account, _)| is_called(account, username))
}

fn is_called(account: &Account, username: &str) -> bool {
    account
        .username
        .as_deref()
        .is_some_and(|name| name.eq_ignore_ascii_case(username))
}

fn taken() -> Error {
    Error::new(ErrorCode::AlreadyExists, "taken")
}

fn credentials((account, password): &(Account, Option<PasswordHash>)) -> Option<Credentials> {
    password.clone().map(|password| Credentials {
        account: account.clone(),
        password,
    })
}

#[async_trait]
impl AccountRepository for MemoryAccounts {
    async fn insert(&self, account: &Account) -> Result<()> {
        self.add(account, None)
    }

    async fn find(&self, id: AccountId) -> Result<Option<Account>> {
        let found = self.kept().get(&id).map(|(account, _)| account.clone());
        if self
            .deleted_after_find
            .lock()
            .expect("not poisoned")
            .take_if(|marked| *marked == id)
            .is_some()
        {
            self.kept().remove(&id);
        }
        Ok(found)
    }

    async fn promote(&self, promotion: &Promotion) -> Result<bool> {
        let Promotion {
            guest,
            username,
            nickname,
            password,
            at,
            effect,
        } = promotion.clone();
        let mut kept = self.kept();
        let is_guest = kept
            .get(&guest)
            .is_some_and(|(account, _)| account.is_guest());
        if is_guest && is_taken(&kept, &username) {
            return Err(taken());
        }
        let Some((account, hash)) = kept
            .get_mut(&guest)
            .filter(|(account, _)| account.is_guest())
        else {
            return Ok(false);
        };
        (account.username, account.nickname, *hash) = (Some(username), nickname, Some(password));
        account.created_at = at;
        let mut effects = self.effects.lock().expect("not poisoned");
        effects.extend(effect.map(|effect| (guest, effect)));
        Ok(true)
    }

    async fn promoted_by(&self, id: AccountId, effect: u64) -> Result<Option<Account>> {
        let of_account = self.effects.lock().expect("not poisoned").get(&id).copied();
        if of_account != Some(effect) {
            return Ok(None);
        }
        Ok(self.kept().get(&id).map(|(account, _)| account.clone()))
    }

    async fn rename(&self, id: AccountId, nickname: &Nickname, _: Timestamp) -> Result<bool> {
        let mut kept = self.kept();
        let found = kept
            .get_mut(&id)
            .map(|(account, _)| account.nickname = nickname.clone());
        Ok(found.is_some())
    }

    async fn set_picture(
        &self,
        id: AccountId,
        key: &str,
        url: &str,
        picture: &Picture,
    ) -> Result<bool> {
        let mut kept = self.kept();
        let Some((account, _)) = kept.get_mut(&id) else {
            return Ok(false);
        };
        account.avatar_url = url.to_owned();
        let mut pictures = self.pictures.lock().expect("not poisoned");
        pictures.retain(|_, (owner, _)| *owner != id);
        pictures.insert(key.to_owned(), (id, picture.clone()));
        Ok(true)
    }

    async fn delete(&self, id: AccountId, at: Timestamp) -> Result<Option<Vec<FamilyId>>> {
        self.pictures
            .lock()
            .expect("not poisoned")
            .retain(|_, (owner, _)| *owner != id);
        self.families.forget_networks(id);
        Ok(self
            .kept()
            .remove(&id)
            .map(|_| self.families.revoke_all(id, None, at)))
    }

    /// Refreshes are not recorded here: a guest counts as unused by its age alone.
    async fn unused_guests(
        &self,
        before: Timestamp,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<AccountId>> {
        let people = self.kept();
        let unused = people.values().map(|(account, _)| account);
        let unused = unused.filter(|a| {
            a.is_guest() && a.created_at < before && after.is_none_or(|after| after < a.id)
        });
        let mut ids: Vec<_> = unused.map(|a| a.id).collect();
        ids.sort();
        ids.truncate(limit as usize);
        Ok(ids)
    }

    async fn forget_guest(&self, id: AccountId, before: Timestamp, _: Timestamp) -> Result<bool> {
        let mut people = self.kept();
        let unused = people
            .get(&id)
            .is_some_and(|(a, _)| a.is_guest() && a.created_at < before);
        Ok(unused && people.remove(&id).is_some())
    }
}

#[async_trait]
impl PictureRepository for MemoryAccounts {
    async fn find(&self, key: &str) -> Result<Option<Picture>> {
        Ok(self
            .pictures
            .lock()
            .expect("not poisoned")
            .get(key)
            .map(|(_, picture)| picture.clone()))
    }
}

#[async_trait]
impl CredentialRepository for MemoryAccounts {
    async fn insert(&self, account: &Account, password: &PasswordHash) -> Result<()> {
        self.add(account, Some(password))
    }

    async fn by_username(&self, username: &str) -> Result<Option<Credentials>> {
        Ok(self
            .kept()
            .values()
            .find(|(account, _)| is_called(account, username))
            .and_then(credentials))
    }

    async fn by_id(&self, id: AccountId) -> Result<Option<Credentials>> {
        Ok(self.kept().get(&id).and_then(credentials))
    }

    async fn open_family(&self, family: &TokenFamily, password: &PasswordHash) -> Result<bool> {
        let unchanged = self
            .kept()
            .get(&family.account)
            .is_some_and(|(_, hash)| hash.as_ref() == Some(password));
        if unchanged {
            self.families.open(family)?;
        }
        Ok(unchanged)
    }

    async fn rehash(&self, id: AccountId, old: &PasswordHash, new: &PasswordHash) -> Result<bool> {
        let mut kept = self.kept();
        let stored = kept
            .get_mut(&id)
            .filter(|(_, hash)| hash.as_ref() == Some(old));
        Ok(stored.map(|(_, hash)| *hash = Some(new.clone())).is_some())
    }

    async fn change(&self, change: &PasswordChange) -> Result<Option<Vec<FamilyId>>> {
        if !self
            .rehash(change.account, &change.old, &change.new)
            .await?
        {
            return Ok(None);
        }
        Ok(Some(self.families.revoke_all(
            change.account,
            Some(change.keep),
            change.at,
        )))
    }
}
