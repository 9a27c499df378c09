//! What the cache answers when a write did not pass through it, on a clock that the test moves.

use super::{CachedAccounts, FRESH_FOR};
use async_trait::async_trait;
use faceshare_biz::domain::account::{Account, AccountRepository, Picture, Promotion};
use faceshare_biz::domain::{AccountId, FamilyId, Nickname, Timestamp};
use faceshare_biz::{Error, Result};
use faceshare_contract::account::account;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{advance, sleep};

const MOMENT: Duration = Duration::from_millis(1);
const FIRST: &str = "Ann";
const SECOND: &str = "Ben";

/// How a write ends after it has changed the store.
#[derive(Clone, Copy)]
enum WriteEnd {
    Succeeds,
    /// The store's answer is lost, so the caller gets an error.
    Fails,
    /// The task panics, so the cache is not changed.
    Panics,
}

/// A store of one account.
struct OneAccount {
    kept: Mutex<Account>,
    end: WriteEnd,
    /// How long a read or an insertion takes to answer.
    distance: Duration,
    reads: AtomicU32,
}

#[async_trait]
impl AccountRepository for OneAccount {
    async fn insert(&self, account: &Account) -> Result<()> {
        *self.kept.lock().expect("whole") = account.clone();
        sleep(self.distance).await;
        Ok(())
    }

    async fn find(&self, _: AccountId) -> Result<Option<Account>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let found = self.kept.lock().expect("whole").clone();
        sleep(self.distance).await;
        Ok(Some(found))
    }

    async fn promote(&self, _: &Promotion) -> Result<bool> {
        Ok(false)
    }

    async fn promoted_by(&self, _: AccountId, _: u64) -> Result<Option<Account>> {
        Ok(None)
    }

    async fn rename(&self, _: AccountId, nickname: &Nickname, _: Timestamp) -> Result<bool> {
        self.kept.lock().expect("whole").nickname = nickname.clone();
        match self.end {
            WriteEnd::Succeeds => Ok(true),
            WriteEnd::Fails => Err(Error::unavailable("the answer is lost")),
            WriteEnd::Panics => panic!("the write panics before the cache is changed"),
        }
    }

    async fn set_picture(&self, _: AccountId, _: &str, _: &str, _: &Picture) -> Result<bool> {
        Ok(false)
    }

    async fn delete(&self, _: AccountId, _: Timestamp) -> Result<Option<Vec<FamilyId>>> {
        Ok(None)
    }

    async fn unused_guests(
        &self,
        _: Timestamp,
        _: Option<AccountId>,
        _: u32,
    ) -> Result<Vec<AccountId>> {
        Ok(Vec::new())
    }

    async fn forget_guest(&self, _: AccountId, _: Timestamp, _: Timestamp) -> Result<bool> {
        Ok(false)
    }
}

fn named(nickname: &str) -> Account {
    Account {
        nickname: name(nickname),
        ..account(1, None)
    }
}

fn name(nickname: &str) -> Nickname {
    Nickname::new(nickname, 32).expect("a nickname")
}

/// The cache and the store under it, so that a test can write to the store directly.
fn cached(end: WriteEnd, distance: Duration) -> (CachedAccounts<OneAccount>, Arc<OneAccount>) {
    let accounts = CachedAccounts::new(OneAccount {
        kept: Mutex::new(named(FIRST)),
        end,
        distance,
        reads: AtomicU32::new(0),
    });
    let store = accounts.inner.clone();
    (accounts, store)
}

/// The nickname in the account that the cache answers with.
async fn found(accounts: &CachedAccounts<OneAccount>) -> String {
    accounts
        .find(named(FIRST).id)
        .await
        .expect("looked up")
        .expect("an account")
        .nickname
        .to_string()
}

#[tokio::test(start_paused = true)]
async fn a_write_that_goes_around_the_cache_is_seen_when_the_entry_is_no_longer_fresh() {
    let (accounts, store) = cached(WriteEnd::Succeeds, Duration::ZERO);
    assert_eq!(found(&accounts).await, FIRST);
    store
        .rename(named(FIRST).id, &name(SECOND), Timestamp::default())
        .await
        .expect("written");
    // Reads of an entry do not prolong it.
    for _ in 0..4 {
        advance((FRESH_FOR - MOMENT) / 4).await;
        assert_eq!(
            found(&accounts).await,
            FIRST,
            "kept, so that a join costs no look-up"
        );
    }
    assert_eq!(store.reads.load(Ordering::Relaxed), 1);
    advance(MOMENT).await;
    assert_eq!(found(&accounts).await, SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_panics_before_it_removes_the_entry_is_seen_as_soon() {
    let (accounts, _store) = cached(WriteEnd::Panics, Duration::ZERO);
    assert_eq!(found(&accounts).await, FIRST);
    accounts
        .rename(named(FIRST).id, &name(SECOND), Timestamp::default())
        .await
        .expect_err("panicked");
    advance(FRESH_FOR).await;
    assert_eq!(found(&accounts).await, SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_write_removes_the_entry_at_once_also_when_it_fails() {
    for end in [WriteEnd::Succeeds, WriteEnd::Fails] {
        let (accounts, _store) = cached(end, Duration::ZERO);
        assert_eq!(found(&accounts).await, FIRST);
        assert_eq!(
            accounts
                .rename(named(FIRST).id, &name(SECOND), Timestamp::default())
                .await
                .is_ok(),
            matches!(end, WriteEnd::Succeeds)
        );
        assert_eq!(found(&accounts).await, SECOND);
    }
}

/// The time of an entry counts from the start of its read, not from the answer.
#[tokio::test(start_paused = true)]
async fn a_slow_read_does_not_lengthen_the_time() {
    let slow = FRESH_FOR / 2;
    let (accounts, store) = cached(WriteEnd::Succeeds, slow);
    let write_meanwhile = async {
        sleep(MOMENT).await;
        store
            .rename(named(FIRST).id, &name(SECOND), Timestamp::default())
            .await
            .expect("written");
    };
    let (first, ()) = tokio::join!(found(&accounts), write_meanwhile);
    assert_eq!(first, FIRST);
    advance(FRESH_FOR - slow).await;
    assert_eq!(found(&accounts).await, SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_slow_insertion_does_not_lengthen_the_time() {
    let slow = FRESH_FOR / 2;
    let (accounts, store) = cached(WriteEnd::Succeeds, slow);
    accounts.insert(&named(FIRST)).await.expect("kept");
    store
        .rename(named(FIRST).id, &name(SECOND), Timestamp::default())
        .await
        .expect("written");
    assert_eq!(found(&accounts).await, FIRST);
    advance(FRESH_FOR - slow).await;
    assert_eq!(found(&accounts).await, SECOND);
}
