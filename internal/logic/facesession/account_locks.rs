//! One lock for each account.

use faceshare_biz::domain::AccountId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OwnedMutexGuard;

type Lock = Arc<tokio::sync::Mutex<()>>;

/// A map of mutexes by account. Only locks that are held or waited for stay in the map.
#[derive(Debug, Default)]
pub(super) struct AccountLocks(Mutex<HashMap<AccountId, Lock>>);

impl AccountLocks {
    /// Locks the account; waits in order behind earlier callers of the same account.
    pub(super) async fn lock(&self, who: AccountId) -> OwnedMutexGuard<()> {
        let lock = self.lock_of(who);
        lock.lock_owned().await
    }

    fn lock_of(&self, who: AccountId) -> Lock {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Clones are made only under the map's lock, so the count is exact: 1 means that a lock is
        // unused.
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        locks.entry(who).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::AccountLocks;
    use faceshare_biz::domain::AccountId;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_second_lock_of_an_account_waits_for_the_first_and_those_of_other_accounts_do_not() {
        let (locks, who) = (AccountLocks::default(), |number| {
            AccountId::new(number).expect("an id")
        });
        let first = locks.lock(who(1)).await;
        assert!(locks.lock(who(1)).now_or_never().is_none());
        assert!(locks.lock(who(2)).now_or_never().is_some());
        drop(first);
        assert!(locks.lock(who(1)).now_or_never().is_some());
        assert_eq!(
            locks.0.lock().expect("not poisoned").len(),
            1,
            "only the lock that was asked for last is kept"
        );
    }
}
