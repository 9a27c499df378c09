//! In-memory ports for the tests of the account use cases.

mod guesses;
mod passwords;
mod people;

pub(crate) use guesses::{HERE, THERE, TRIES};
pub(crate) use passwords::{PlainPasswords, Work};
pub(crate) use people::MemoryAccounts;

use super::{AccountDeps, AccountObserver, AccountPolicy, Accounts, NewAccount, SignUpRules};
use crate::fakes::{CountingIds, FakeClock, MemoryRevocations, PlainSecrets, PlainTokens};
use async_trait::async_trait;
use bytes::Bytes;
use faceshare_biz::domain::account::{
    Account, Caller, Password, Picture, PicturePermit, PictureProcessor, RevocationRegistry,
    Rotation, TokenFamily, TokenFamilyRepository,
};
use faceshare_biz::domain::{AccountId, FamilyId, Site, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Barrier;

/// The default policy of the tests.
pub(crate) const fn policy() -> AccountPolicy {
    AccountPolicy {
        guests: true,
        nickname_max: 32,
    }
}

/// The account use cases over in-memory ports.
pub(crate) struct TestAccounts {
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) families: Arc<MemoryFamilies>,
    pub(crate) credentials: Arc<MemoryAccounts>,
    pub(crate) passwords: Arc<PlainPasswords>,
    guesses: Arc<guesses::FixedPasswordBudgets>,
    pub(crate) revocations: Arc<MemoryRevocations>,
    pub(crate) observer: Arc<RecordingObserver>,
    ids: Arc<CountingIds>,
}

impl TestAccounts {
    pub(crate) fn new() -> Self {
        let families: Arc<MemoryFamilies> = Arc::default();
        let revocations: Arc<MemoryRevocations> = Arc::default();
        Self {
            clock: Arc::default(),
            credentials: Arc::new(MemoryAccounts::over(families.clone())),
            families,
            passwords: Arc::default(),
            guesses: Arc::default(),
            observer: Arc::new(RecordingObserver {
                revocations: revocations.clone(),
                ..RecordingObserver::default()
            }),
            revocations,
            ids: Arc::default(),
        }
    }

    pub(crate) fn deps(&self) -> AccountDeps {
        AccountDeps {
            accounts: self.credentials.clone(),
            credentials: self.credentials.clone(),
            passwords: self.passwords.clone(),
            guesses: self.guesses.clone(),
            portraits: Arc::new(PassThroughPortraits),
            pictures: self.credentials.clone(),
            families: self.families.clone(),
            revocations: self.revocations.clone(),
            observer: self.observer.clone(),
            tokens: Arc::new(PlainTokens),
            secrets: Arc::new(PlainSecrets::default()),
            ids: self.ids.clone(),
            clock: self.clock.clone(),
        }
    }

    pub(crate) fn accounts(&self) -> Accounts {
        Accounts::new(self.deps(), policy())
    }

    /// Signs up an account.
    pub(crate) async fn member(&self, username: &str, password: &str) -> Account {
        let new = NewAccount {
            username: username.into(),
            password: Password::new(password),
            nickname: None,
            site: HERE,
            effect: None,
        };
        self.accounts()
            .sign_up(new, &SignUpRules::default(), None)
            .await
            .expect("an account")
    }

    pub(crate) fn is_revoked(&self, caller: Caller) -> bool {
        self.revocations.is_revoked(caller.family)
    }
}

/// Returns the upload itself as the picture.
struct PassThroughPortraits;

impl PictureProcessor for PassThroughPortraits {
    fn admit(&self, _account: AccountId, _site: Site) -> Result<Box<dyn PicturePermit>> {
        Ok(Box::new(Self))
    }
}

#[async_trait]
impl PicturePermit for PassThroughPortraits {
    async fn portrait(self: Box<Self>, upload: Bytes) -> Result<Picture> {
        Ok(Picture {
            media_type: "image/png".to_owned(),
            bytes: upload,
        })
    }
}

/// Records the changes and deletions it is informed of.
#[derive(Debug, Default)]
pub(crate) struct RecordingObserver {
    changed: Mutex<Vec<Account>>,
    deleted: Mutex<Vec<AccountId>>,
    /// For each deletion, the number of families that were announced as revoked before it.
    revoked_before: Mutex<Vec<usize>>,
    revocations: Arc<MemoryRevocations>,
}

impl RecordingObserver {
    pub(crate) fn changed(&self) -> Vec<Account> {
        self.changed.lock().expect("not poisoned").clone()
    }

    pub(crate) fn revoked_before(&self) -> Vec<usize> {
        self.revoked_before.lock().expect("not poisoned").clone()
    }

    pub(crate) fn deleted(&self) -> Vec<AccountId> {
        self.deleted.lock().expect("not poisoned").clone()
    }
}

#[async_trait]
impl AccountObserver for RecordingObserver {
    async fn changed(&self, account: &Account) {
        self.changed
            .lock()
            .expect("not poisoned")
            .push(account.clone());
    }

    async fn deleted(&self, account: AccountId) {
        self.revoked_before
            .lock()
            .expect("not poisoned")
            .push(self.revocations.len());
        self.deleted.lock().expect("not poisoned").push(account);
    }
}

/// Token families in a map; a test can make concurrent finds finish together.
#[derive(Default)]
pub(crate) struct MemoryFamilies {
    kept: Mutex<HashMap<FamilyId, TokenFamily>>,
    barrier: Mutex<Option<Arc<Barrier>>>,
    held: AtomicUsize,
}

impl MemoryFamilies {
    /// The next `finds` finds return together.
    pub(crate) fn finish_finds_together(&self, finds: usize) {
        *self.barrier.lock().expect("not poisoned") = Some(Arc::new(Barrier::new(finds)));
        self.held.store(finds, Ordering::SeqCst);
    }

    pub(crate) fn open(&self, family: &TokenFamily) -> Result<()> {
        let mut kept = self.kept.lock().expect("not poisoned");
        if kept.contains_key(&family.id) {
            return Err(Error::new(ErrorCode::AlreadyExists, "there already"));
        }
        kept.insert(family.id, family.clone());
        Ok(())
    }

    /// Removes the networks of the families of an account.
    pub(crate) fn forget_networks(&self, account: AccountId) {
        let mut kept = self.kept.lock().expect("not poisoned");
        kept.values_mut()
            .filter(|f| f.account == account)
            .for_each(|f| f.network = None);
    }

    /// Revokes all families of an account but one.
    pub(crate) fn revoke_all(
        &self,
        account: AccountId,
        keep: Option<FamilyId>,
        at: Timestamp,
    ) -> Vec<FamilyId> {
        let mut kept = self.kept.lock().expect("not poisoned");
        let theirs = kept
            .values_mut()
            .filter(|f| f.account == account && Some(f.id) != keep && f.revoked_at.is_none());
        theirs
            .map(|f| {
                f.revoked_at = Some(at);
                f.id
            })
            .collect()
    }
}

#[async_trait]
impl TokenFamilyRepository for MemoryFamilies {
    async fn insert(&self, family: &TokenFamily) -> Result<()> {
        self.open(family)
    }

    async fn find(&self, id: FamilyId) -> Result<Option<TokenFamily>> {
        let found = self.kept.lock().expect("not poisoned").get(&id).cloned();
        let barrier = self.barrier.lock().expect("not poisoned").clone();
        let holds = self
            .held
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
            .is_ok();
        if let Some(barrier) = barrier.filter(|_| holds) {
            barrier.wait().await;
        }
        Ok(found)
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<bool> {
        let mut kept = self.kept.lock().expect("not poisoned");
        let current = kept
            .get_mut(&rotation.family)
            .filter(|f| f.revoked_at.is_none() && f.generation == rotation.from_generation);
        let Some(family) = current else {
            return Ok(false);
        };
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

    async fn opened_from(&self, account: AccountId, networks: &[[u8; 32]]) -> Result<bool> {
        let kept = self.kept.lock().expect("not poisoned");
        Ok(kept.values().any(|f| {
            f.account == account && f.network.is_some_and(|network| networks.contains(&network))
        }))
    }

    async fn revoked_since(&self, since: Timestamp) -> Result<Vec<(FamilyId, Timestamp)>> {
        let kept = self.kept.lock().expect("not poisoned");
        Ok(kept
            .values()
            .filter_map(|f| f.revoked_at.filter(|at| *at >= since).map(|at| (f.id, at)))
            .collect())
    }

    async fn forget_ended(&self, before: Timestamp) -> Result<u64> {
        let mut kept = self.kept.lock().expect("not poisoned");
        let all = kept.len();
        kept.retain(|_, f| {
            f.expires_at >= before
                || f.rotated_at >= before
                || f.revoked_at.is_some_and(|at| at >= before)
        });
        Ok((all - kept.len()) as u64)
    }
}

#[cfg(test)]
mod contract {
    use super::{MemoryAccounts, MemoryFamilies};
    use faceshare_contract::credential::Store;
    use std::sync::Arc;

    fn store() -> Store<MemoryAccounts, MemoryAccounts, MemoryFamilies> {
        let families = Arc::<MemoryFamilies>::default();
        let people = Arc::new(MemoryAccounts::over(families.clone()));
        Store {
            credentials: people.clone(),
            accounts: people,
            families,
        }
    }

    mod families {
        faceshare_contract::token_family_contract!(async {
            (super::MemoryFamilies::default(), ())
        });
    }

    mod accounts {
        faceshare_contract::account_contract!(async { (super::MemoryAccounts::default(), ()) });
    }

    mod credentials {
        faceshare_contract::credential_contract!(async { (super::store(), ()) });
    }

    mod pictures {
        faceshare_contract::picture_contract!(async { (super::store(), ()) });
    }
}
