//! The committed knocks of a session: which wait, which member is told of them, and which requests
//! wait for their end.

use crate::instruction::mgr::waiters::Waiters;
use faceshare_biz::domain::instruction::{KnockState, MemberKnock};
use faceshare_biz::domain::{KnockId, MemberId, SessionId};
use faceshare_exec::{Change, Knock, State};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::oneshot;

/// The waiting knocks and their listeners.
pub(crate) struct Door {
    session: SessionId,
    host: MemberId,
    waiting: BTreeMap<KnockId, (MemberId, MemberKnock)>,
    /// The waiting accounts of all sessions of this process.
    waiters: Arc<Waiters>,
    /// At most one for each waiting knock: a later listener replaces an earlier one.
    listeners: HashMap<KnockId, oneshot::Sender<()>>,
}

impl Door {
    /// The door of a session whose `state` is committed.
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

    /// The member that is told of knocks.
    pub(crate) const fn host(&self) -> MemberId {
        self.host
    }

    /// The waiting knocks, oldest first.
    pub(crate) fn waiting(&self) -> Vec<MemberKnock> {
        self.waiting
            .values()
            .map(|(_, knock)| knock.clone())
            .collect()
    }

    /// Whether a knock waits.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Applies committed changes; returns what to send to the host.
    pub(crate) fn follow(&mut self, changes: &[Change]) -> Vec<MemberKnock> {
        let mut notices = Vec::new();
        for change in changes {
            match change {
                Change::Knocked(knock) => notices.push(self.knocked(knock)),
                Change::KnockOver { knock, state } => notices.extend(self.over(*knock, *state)),
                Change::Info(info) if info.host != self.host => {
                    self.host = info.host;
                    notices.extend(self.waiting());
                }
                Change::Ended(_) => self.close(),
                _ => {}
            }
        }
        notices
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
        let (who, knock) = self.waiting.remove(&knock)?;
        self.waiters.remove(who, self.session);
        Some(MemberKnock { state, ..knock })
    }

    /// Removes all waiting knocks and wakes all listeners.
    pub(crate) fn close(&mut self) {
        self.listeners.clear();
        for (who, _) in std::mem::take(&mut self.waiting).into_values() {
            self.waiters.remove(who, self.session);
        }
    }

    /// Stores a listener until the knock is over. If the knock does not wait, the listener is
    /// dropped, and so woken, at once.
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
