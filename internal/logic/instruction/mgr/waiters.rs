//! The accounts whose knocks wait in sessions of this process, to be found when an account is
//! deleted.

use faceshare_biz::domain::{MemberId, SessionId};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The sessions in which each account waits. A session may be listed twice: when an actor is
/// replaced, the new one may start before the old one has ended.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<HashMap<MemberId, Vec<SessionId>>>);

impl Waiters {
    fn lock(&self) -> MutexGuard<'_, HashMap<MemberId, Vec<SessionId>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `who` waits in `session`.
    pub(crate) fn add(&self, who: MemberId, session: SessionId) {
        self.lock().entry(who).or_default().push(session);
    }

    /// `who` no longer waits in `session`; removes one of its listings.
    pub(crate) fn remove(&self, who: MemberId, session: SessionId) {
        let mut waiters = self.lock();
        let Some(sessions) = waiters.get_mut(&who) else {
            return;
        };
        if let Some(index) = sessions.iter().position(|listed| *listed == session) {
            sessions.swap_remove(index);
        }
        if sessions.is_empty() {
            waiters.remove(&who);
        }
    }

    /// The sessions in which `who` waits.
    pub(crate) fn sessions_of(&self, who: MemberId) -> BTreeSet<SessionId> {
        self.lock()
            .get(&who)
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Waiters;
    use faceshare_biz::domain::{AccountId, MemberId, SessionId};

    fn who(number: u64) -> MemberId {
        AccountId::new(number).expect("an id")
    }

    fn at(number: u64) -> SessionId {
        SessionId::new(number).expect("an id")
    }

    #[test]
    fn one_is_found_wherever_it_waits_and_nowhere_else() {
        let waiters = Waiters::default();
        for (person, session) in [(1, 1), (1, 2), (2, 2)] {
            waiters.add(who(person), at(session));
        }
        assert_eq!(waiters.sessions_of(who(1)), [at(1), at(2)].into());
        waiters.remove(who(1), at(2));
        waiters.remove(who(3), at(2));
        assert_eq!(
            (waiters.sessions_of(who(1)), waiters.sessions_of(who(2))),
            ([at(1)].into(), [at(2)].into())
        );
        waiters.remove(who(1), at(1));
        assert!(
            !waiters.lock().contains_key(&who(1)),
            "nothing is kept of who does not wait"
        );
    }

    #[test]
    fn the_end_of_an_earlier_task_takes_nothing_from_the_next() {
        let waiters = Waiters::default();
        waiters.add(who(1), at(1));
        waiters.add(who(1), at(1));
        waiters.remove(who(1), at(1));
        assert_eq!(waiters.sessions_of(who(1)), [at(1)].into());
    }
}
