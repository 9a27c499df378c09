//! The door, as it is committed: who waits at it, whom that is told, and who asks how a knock ends.

use faceshare_biz::domain::instruction::{KnockState, MemberKnock};
use faceshare_biz::domain::{KnockId, MemberId};
use faceshare_exec::{Change, Knock, State};
use std::collections::{BTreeMap, HashMap};
use tokio::sync::oneshot;

/// Who waits, and who listens.
pub(crate) struct Door {
    host: MemberId,
    waiting: BTreeMap<KnockId, MemberKnock>,
    /// One for each knock that waits: a later one takes the place of an earlier.
    listeners: HashMap<KnockId, oneshot::Sender<()>>,
}

impl Door {
    /// The door of a session whose state is in the log as it is.
    pub(crate) fn of(state: &State) -> Self {
        let waiting = state.waiting().map(|knock| (knock.id, knock.told())).collect();
        Self { host: state.host(), waiting, listeners: HashMap::new() }
    }

    /// Who is told of knocks.
    pub(crate) const fn host(&self) -> MemberId {
        self.host
    }

    /// The knocks that wait, oldest first.
    pub(crate) fn waiting(&self) -> Vec<MemberKnock> {
        self.waiting.values().cloned().collect()
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
                    told.extend(self.waiting.values().cloned());
                }
                Change::Ended(_) => self.listeners.clear(),
                _ => {}
            }
        }
        told
    }

    fn knocked(&mut self, knock: &Knock) -> MemberKnock {
        self.waiting.insert(knock.id, knock.told());
        knock.told()
    }

    fn over(&mut self, knock: KnockId, state: KnockState) -> Option<MemberKnock> {
        // A listener wakes when its channel closes.
        self.listeners.remove(&knock);
        self.waiting.remove(&knock).map(|told| MemberKnock { state, ..told })
    }

    /// Keeps a listener until the knock is over; of one that does not wait it is let go at once.
    pub(crate) fn listen(&mut self, knock: KnockId, listener: oneshot::Sender<()>) {
        if self.waiting.contains_key(&knock) {
            self.listeners.insert(knock, listener);
        }
    }
}
