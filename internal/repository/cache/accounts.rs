//! The accounts that were used lately.
//!
//! # When an entry is right
//! Every write removes its account from the cache when it ends, also when it fails, and runs to its
//! end when its caller stops waiting. A read that began before a write is not kept after it. No
//! entry is used for longer than [`FRESH_FOR`] after it was read, so a write that could not remove
//! it is seen then. What must never be old is not cached: passwords and token families are read
//! from the database, revocations have a registry of their own.

use super::carry_through;
use super::recent::Recent;
use async_trait::async_trait;
use faceshare_biz::Result;
use faceshare_biz::domain::account::{Account, AccountRepository, Picture, Promotion};
use faceshare_biz::domain::{AccountId, FamilyId, Nickname, Timestamp};
use lru::LruCache;
use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// An account is read again after this time. It bounds how long a write goes unseen that did not
/// pass through this cache.
const FRESH_FOR: Duration = Duration::from_secs(30);
/// Accounts in the cache at most, some 4 MiB.
const ACCOUNTS: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

/// A cache over another [`AccountRepository`].
pub struct CachedAccounts<R> {
    inner: Arc<R>,
    recent: Arc<Recent<LruCache<AccountId, (Account, Instant)>>>,
}

impl<R: AccountRepository> CachedAccounts<R> {
    /// All writes to `inner` must go through this cache.
    #[must_use]
    pub fn new(inner: R) -> Self {
        Self {
            inner: Arc::new(inner),
            recent: Arc::new(Recent::new(LruCache::new(ACCOUNTS))),
        }
    }

    /// Writes to this account and removes it from the cache.
    async fn change<T: Send + 'static, F>(
        &self,
        id: AccountId,
        write: impl FnOnce(Arc<R>) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let (write, recent) = (write(self.inner.clone()), self.recent.clone());
        carry_through(async move {
            let written = write.await;
            recent.change(|recent| drop(recent.pop(&id)));
            written
        })
        .await
    }
}

#[async_trait]
impl<R: AccountRepository> AccountRepository for CachedAccounts<R> {
    /// A new account is cached, because its first join follows soon.
    async fn insert(&self, account: &Account) -> Result<()> {
        let since = Instant::now();
        self.inner.insert(account).await?;
        self.recent
            .change(|recent| drop(recent.put(account.id, (account.clone(), since))));
        Ok(())
    }

    async fn find(&self, id: AccountId) -> Result<Option<Account>> {
        let moment = match self.recent.look(|recent| {
            recent
                .get(&id)
                .filter(|(_, since)| since.elapsed() < FRESH_FOR)
                .map(|(account, _)| account.clone())
        }) {
            Ok(account) => return Ok(Some(account)),
            Err(moment) => moment,
        };
        let since = Instant::now();
        let found = self.inner.find(id).await?;
        if let Some(account) = &found {
            self.recent.keep(moment, |recent| {
                drop(recent.put(id, (account.clone(), since)))
            });
        }
        Ok(found)
    }

    async fn promote(&self, promotion: &Promotion) -> Result<bool> {
        let promotion = promotion.clone();
        self.change(promotion.guest, move |inner: Arc<R>| async move {
            inner.promote(&promotion).await
        })
        .await
    }

    async fn promoted_by(&self, id: AccountId, effect: u64) -> Result<Option<Account>> {
        self.inner.promoted_by(id, effect).await
    }

    async fn rename(&self, id: AccountId, nickname: &Nickname, at: Timestamp) -> Result<bool> {
        let nickname = nickname.clone();
        self.change(id, move |inner: Arc<R>| async move {
            inner.rename(id, &nickname, at).await
        })
        .await
    }

    async fn set_picture(
        &self,
        id: AccountId,
        key: &str,
        url: &str,
        picture: &Picture,
    ) -> Result<bool> {
        let (key, url, picture) = (key.to_owned(), url.to_owned(), picture.clone());
        self.change(id, move |inner: Arc<R>| async move {
            inner.set_picture(id, &key, &url, &picture).await
        })
        .await
    }

    async fn delete(&self, id: AccountId, at: Timestamp) -> Result<Option<Vec<FamilyId>>> {
        self.change(id, move |inner: Arc<R>| async move {
            inner.delete(id, at).await
        })
        .await
    }

    async fn unused_guests(
        &self,
        before: Timestamp,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<AccountId>> {
        self.inner.unused_guests(before, after, limit).await
    }

    async fn forget_guest(&self, id: AccountId, before: Timestamp, at: Timestamp) -> Result<bool> {
        self.change(id, move |inner: Arc<R>| async move {
            inner.forget_guest(id, before, at).await
        })
        .await
    }
}

#[cfg(test)]
mod tests;
