//! What the log says of knocks, and of those who came by them.

use faceshare_biz::domain::instruction::KnockState;
use faceshare_exec::{Change, Entry};
use std::collections::{BTreeMap, BTreeSet};

/// How each knock ended, or that it waits.
#[derive(Debug, Default)]
pub(crate) struct Fates {
    /// The member, and the end.
    knocks: BTreeMap<u64, (u64, Option<KnockState>)>,
    denied: BTreeSet<u64>,
    admitted: BTreeSet<u64>,
    hosts: BTreeSet<u64>,
    fault: Option<String>,
}

impl Fates {
    /// The log has this now, after which this member is host.
    pub(crate) fn commit(&mut self, entry: &Entry, host: u64) {
        self.hosts.insert(host);
        for change in &entry.changes {
            match change {
                Change::Knocked(knock) => {
                    let again = self.knocks.insert(knock.id.get(), (knock.profile.id.get(), None));
                    self.blame(again.is_some(), || format!("knock {} comes twice", knock.id));
                }
                Change::KnockOver { knock, state } => self.over(knock.get(), *state),
                Change::Seated { profile, .. } => {
                    let denied = self.denied.contains(&profile.id.get());
                    self.blame(denied, || format!("{} was denied and has a seat", profile.id));
                }
                Change::Joined { member } => {
                    let denied = self.denied.contains(&member.get());
                    self.blame(denied, || format!("{member} was denied and is in"));
                }
                Change::Forgotten { member } => {
                    self.denied.remove(&member.get());
                }
                _ => {}
            }
        }
    }

    fn over(&mut self, knock: u64, state: KnockState) {
        let kept = self.knocks.get_mut(&knock);
        let member = kept.as_ref().map_or(0, |(member, _)| *member);
        let before = kept.and_then(|(_, end)| end.replace(state));
        self.blame(member == 0 || before.is_some(), || format!("knock {knock} is {state:?} after {before:?}"));
        match state {
            KnockState::Admitted => self.admitted.insert(member),
            KnockState::Denied => self.denied.insert(member),
            KnockState::Waiting | KnockState::Expired => false,
        };
    }

    fn blame(&mut self, wrong: bool, what: impl FnOnce() -> String) {
        if wrong {
            self.fault.get_or_insert_with(what);
        }
    }

    /// What was found broken first.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// How a knock ended; `None`: it waits, or there was none.
    pub(crate) fn end(&self, knock: u64) -> Option<KnockState> {
        self.knocks.get(&knock)?.1
    }

    pub(crate) fn has(&self, knock: u64) -> bool {
        self.knocks.contains_key(&knock)
    }

    pub(crate) fn was_admitted(&self, member: u64) -> bool {
        self.admitted.contains(&member)
    }

    pub(crate) fn was_host(&self, member: u64) -> bool {
        self.hosts.contains(&member)
    }
}
