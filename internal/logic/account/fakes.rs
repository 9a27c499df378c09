//! Ports in memory, for the tests of the use cases around people.

use super::{AccountDeps, AccountPolicy, Accounts};
use crate::fakes::{CountingIds, FakeClock, PlainSecrets, PlainTokens};
use async_trait::async_trait;
use faceshare_biz::domain::account::{Account, AccountRepository, Rotation, TokenFamily, TokenFamilyRepository};
use faceshare_biz::domain::{AccountId, FamilyId, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Barrier;

/// The usual policy.
pub(crate) const fn policy() -> AccountPolicy {
    AccountPolicy { guests: true, nickname_max: 32 }
}

/// Everything that [`Accounts`] needs, in memory.
pub(crate) struct House {
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) families: Arc<Families>,
    people: Arc<People>,
    ids: Arc<CountingIds>,
}

impl House {
    pub(crate) fn new() -> Self {
        Self { clock: Arc::default(), families: Arc::default(), people: Arc::default(), ids: Arc::default() }
    }

    pub(crate) fn deps(&self) -> AccountDeps {
        AccountDeps {
            accounts: self.people.clone(),
            families: self.families.clone(),
            tokens: Arc::new(PlainTokens),
            secrets: Arc::new(PlainSecrets::default()),
            ids: self.ids.clone(),
            clock: self.clock.clone(),
        }
    }

    pub(crate) fn accounts(&self) -> Accounts {
        Accounts::new(self.deps(), policy())
    }
}

/// Accounts in a map.
#[derive(Default)]
pub(crate) struct People(Mutex<HashMap<AccountId, Account>>);

#[async_trait]
impl AccountRepository for People {
    async fn insert(&self, account: &Account) -> Result<()> {
        match self.0.lock().expect("not poisoned").insert(account.id, account.clone()) {
            None => Ok(()),
            Some(_) => Err(Error::new(ErrorCode::AlreadyExists, "taken")),
        }
    }

    async fn find(&self, id: AccountId) -> Result<Option<Account>> {
        Ok(self.0.lock().expect("not poisoned").get(&id).cloned())
    }

    /// Nobody here ever refreshes a token.
    async fn unused_guests(&self, before: Timestamp, after: Option<AccountId>, limit: u32) -> Result<Vec<AccountId>> {
        let people = self.0.lock().expect("not poisoned");
        let unused = people.values().filter(|a| a.is_guest() && a.created_at < before && after.is_none_or(|after| after < a.id));
        let mut ids: Vec<_> = unused.map(|a| a.id).collect();
        ids.sort();
        ids.truncate(limit as usize);
        Ok(ids)
    }

    async fn forget_guest(&self, id: AccountId, before: Timestamp) -> Result<bool> {
        let mut people = self.0.lock().expect("not poisoned");
        let unused = people.get(&id).is_some_and(|a| a.is_guest() && a.created_at < before);
        Ok(unused && people.remove(&id).is_some())
    }
}

/// Token families in a map; its first finds can be made to meet.
#[derive(Default)]
pub(crate) struct Families {
    kept: Mutex<HashMap<FamilyId, TokenFamily>>,
    barrier: Mutex<Option<Arc<Barrier>>>,
    held: AtomicUsize,
}

impl Families {
    /// The next `finds` finds answer together.
    pub(crate) fn hold_finds_until(&self, finds: usize) {
        *self.barrier.lock().expect("not poisoned") = Some(Arc::new(Barrier::new(finds)));
        self.held.store(finds, Ordering::SeqCst);
    }
}

#[async_trait]
impl TokenFamilyRepository for Families {
    async fn insert(&self, family: &TokenFamily) -> Result<()> {
        self.kept.lock().expect("not poisoned").insert(family.id, family.clone());
        Ok(())
    }

    async fn find(&self, id: FamilyId) -> Result<Option<TokenFamily>> {
        let found = self.kept.lock().expect("not poisoned").get(&id).cloned();
        let barrier = self.barrier.lock().expect("not poisoned").clone();
        let holds = self.held.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if let Some(barrier) = barrier.filter(|_| holds) {
            barrier.wait().await;
        }
        Ok(found)
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<bool> {
        let mut kept = self.kept.lock().expect("not poisoned");
        let current = kept.get_mut(&rotation.family).filter(|f| f.revoked_at.is_none() && f.generation == rotation.from_generation);
        let Some(family) = current else { return Ok(false) };
        family.generation += 1;
        family.rotated_at = rotation.at;
        family.sealed_pair = Some(rotation.sealed_pair.clone());
        family.expires_at = rotation.expires_at;
        Ok(true)
    }

    async fn revoke(&self, id: FamilyId, at: Timestamp) -> Result<()> {
        if let Some(family) = self.kept.lock().expect("not poisoned").get_mut(&id) {
            family.revoked_at.get_or_insert(at);
        }
        Ok(())
    }
}
