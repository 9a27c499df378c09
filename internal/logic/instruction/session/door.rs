//! The door, as it is committed: who waits at it, whom that is told, and who asks how a knock ends.

use crate::instruction::mgr::waiters::Waiters;
use faceshare_biz::domain::instruction::{KnockState, MemberKnock};
use faceshare_biz::domain::{KnockId, MemberId, SessionId};
use faceshare_exec::{Change, Knock, State};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Who waits, and who listens.
pub(crate) struct Door {
    session: SessionId,
    host: MemberId,
    waiting: BTreeMap<KnockId, (MemberId, MemberKnock)>,
    /// Those who wait, here and elsewhere.
    waiters: Arc<Waiters>,
    /// One for each knock that waits: a later one takes the place of an earlier.
    listeners: HashMap<KnockId, oneshot::Sender<()>>,
}

impl Door {
    /// The door of a session whose state is in the log as it is.
    pub(crate) fn of(state: &State, waiters: Arc<Waiters>) -> Self {
        let (waiting, listeners) = (BTreeMap::new(), HashMap::new());
        let mut door = Self {
            session: state.id(),
            host: state.host(),
            waiting,
            waiters,
            listeners,
        };
        if !state.is_ended() {
            state.waiting().for_each(|knock| drop(door.knocked(knock)));
        }
        door
    }

    /// Who is told of knocks.
    pub(crate) const fn host(&self) -> MemberId {
        self.host
    }

    /// The knocks that wait, oldest first.
    pub(crate) fn waiting(&self) -> Vec<MemberKnock> {
        self.waiting
            .values()
            .map(|(_, told)| told.clone())
            .collect()
    }

    /// Follows what is committed; what the host is told of it.
    pub(crate) fn follow(&mut self, changes: &[Change]) -> Vec<MemberKnock> {
        let mut told = Vec::new();
        for change in changes {
            match change {
                Change::Knocked(knock) => told.push(self.knocked(knock)),
                Change::KnockOver { knock, state } => told.extend(self.over(*knock, *state)),
                Change::Info(info) if info.host != self.host => {
                    self.host = info.host;
                    told.extend(self.waiting());
                }
                Change::Ended(_) => self.close(),
                _ => {}
            }
        }
        told
    }

    fn knocked(&mut self, knock: &Knock) -> MemberKnock {
        let who = knock.profile.id;
        self.waiters.add(who, self.session);
        self.waiting.insert(knock.id, (who, knock.told()));
        knock.told()
    }

    fn over(&mut self, knock: KnockId, state: KnockState) -> Option<MemberKnock> {
        // A listener wakes when its channel closes.
        self.listeners.remove(&knock);
        let (who, told) = self.waiting.remove(&knock)?;
        self.waiters.remove(who, self.session);
        Some(MemberKnock { state, ..told })
    }

    /// Nobody waits any more, and who listens is woken.
    pub(crate) fn close(&mut self) {
        self.listeners.clear();
        for (who, _) in std::mem::take(&mut self.waiting).into_values() {
            self.waiters.remove(who, self.session);
        }
    }

    /// Keeps a listener until the knock is over; of one that does not wait it is let go at once.
    pub(crate) fn listen(&mut self, knock: KnockId, listener: oneshot::Sender<()>) {
        if self.waiting.contains_key(&knock) {
            self.listeners.insert(knock, listener);
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.close();
    }
}
