//! One thing at a time for each person.

use faceshare_biz::domain::AccountId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OwnedMutexGuard;

type Lock = Arc<tokio::sync::Mutex<()>>;

/// Whose turn it is. Of those alone who have one, or wait for one, something is kept.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<AccountId, Lock>>);

impl Turns {
    /// This person's turn, once everything that it asked for before is done.
    pub(super) async fn of(&self, who: AccountId) -> OwnedMutexGuard<()> {
        let lock = self.lock_of(who);
        lock.lock_owned().await
    }

    fn lock_of(&self, who: AccountId) -> Lock {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Locks are handed out under the map's own, so that the count is right.
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        locks.entry(who).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::Turns;
    use faceshare_biz::domain::AccountId;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_second_turn_waits_for_the_first_and_nobody_elses_does() {
        let (turns, who) = (Turns::default(), |number| {
            AccountId::new(number).expect("an id")
        });
        let first = turns.of(who(1)).await;
        assert!(turns.of(who(1)).now_or_never().is_none());
        assert!(turns.of(who(2)).now_or_never().is_some());
        drop(first);
        assert!(turns.of(who(1)).now_or_never().is_some());
        assert_eq!(
            turns.0.lock().expect("not poisoned").len(),
            1,
            "nothing is kept but of the last who asked"
        );
    }
}
