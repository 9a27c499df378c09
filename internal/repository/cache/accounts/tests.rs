//! What the cache answers when it was not told of a write, on a clock that the test moves.

use super::{Accounts, FRESH_FOR};
use async_trait::async_trait;
use faceshare_biz::domain::account::{Account, AccountRepository, PasswordHash, Picture};
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

/// How a write ends that has been done.
#[derive(Clone, Copy)]
enum End {
    Well,
    /// With an error, as when the answer to it is lost.
    Refused,
    /// With the task that does it, before it can tell anybody.
    Dead,
}

/// A store of one account.
struct Store {
    kept: Mutex<Account>,
    end: End,
    /// How long the answer to a read is under way.
    distance: Duration,
    reads: AtomicU32,
}

#[async_trait]
impl AccountRepository for Store {
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

    async fn promote(
        &self,
        _: AccountId,
        _: &str,
        _: &Nickname,
        _: &PasswordHash,
        _: Timestamp,
    ) -> Result<bool> {
        Ok(false)
    }

    async fn rename(&self, _: AccountId, nickname: &Nickname) -> Result<bool> {
        self.kept.lock().expect("whole").nickname = nickname.clone();
        match self.end {
            End::Well => Ok(true),
            End::Refused => Err(Error::unavailable("the answer is lost")),
            End::Dead => panic!("the write dies before it has told of itself"),
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

    async fn forget_guest(&self, _: AccountId, _: Timestamp) -> Result<bool> {
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

/// The cache, and what it is over, to write around it.
fn cached(end: End, distance: Duration) -> (Accounts<Store>, Arc<Store>) {
    let accounts = Accounts::new(Store {
        kept: Mutex::new(named(FIRST)),
        end,
        distance,
        reads: AtomicU32::new(0),
    });
    let store = accounts.inner.clone();
    (accounts, store)
}

/// What the cache answers now.
async fn found(accounts: &Accounts<Store>) -> String {
    accounts
        .find(named(FIRST).id)
        .await
        .expect("looked up")
        .expect("somebody")
        .nickname
        .to_string()
}

#[tokio::test(start_paused = true)]
async fn a_write_that_goes_around_the_cache_is_seen_when_the_entry_is_no_longer_fresh() {
    let (accounts, store) = cached(End::Well, Duration::ZERO);
    assert_eq!(found(&accounts).await, FIRST);
    store
        .rename(named(FIRST).id, &name(SECOND))
        .await
        .expect("written");
    // Being asked for does not make an entry any younger.
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
async fn a_write_that_dies_before_it_takes_the_entry_out_is_seen_as_soon() {
    let (accounts, _store) = cached(End::Dead, Duration::ZERO);
    assert_eq!(found(&accounts).await, FIRST);
    accounts
        .rename(named(FIRST).id, &name(SECOND))
        .await
        .expect_err("died");
    advance(FRESH_FOR).await;
    assert_eq!(found(&accounts).await, SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_write_takes_the_entry_out_at_once_whatever_came_of_it() {
    for end in [End::Well, End::Refused] {
        let (accounts, _store) = cached(end, Duration::ZERO);
        assert_eq!(found(&accounts).await, FIRST);
        assert_eq!(
            accounts
                .rename(named(FIRST).id, &name(SECOND))
                .await
                .is_ok(),
            matches!(end, End::Well)
        );
        assert_eq!(found(&accounts).await, SECOND);
    }
}

/// An entry is as old as what it says, not as the moment in which the answer came.
#[tokio::test(start_paused = true)]
async fn a_slow_read_does_not_lengthen_the_time() {
    let slow = FRESH_FOR / 2;
    let (accounts, store) = cached(End::Well, slow);
    let write_meanwhile = async {
        sleep(MOMENT).await;
        store
            .rename(named(FIRST).id, &name(SECOND))
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
    let (accounts, store) = cached(End::Well, slow);
    accounts.insert(&named(FIRST)).await.expect("kept");
    store
        .rename(named(FIRST).id, &name(SECOND))
        .await
        .expect("written");
    assert_eq!(found(&accounts).await, FIRST);
    advance(FRESH_FOR - slow).await;
    assert_eq!(found(&accounts).await, SECOND);
}
