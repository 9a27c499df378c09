//! The outcomes of join requests in the log, and the members who joined by them.

use faceshare_biz::domain::instruction::KnockState;
use faceshare_exec::{Change, Entry};
use std::collections::{BTreeMap, BTreeSet};

/// The outcome of each join request, or that it is pending.
#[derive(Debug, Default)]
pub(crate) struct KnockOutcomes {
    /// The member and the outcome, by the id of the join request.
    knocks: BTreeMap<u64, (u64, Option<KnockState>)>,
    denied: BTreeSet<u64>,
    admitted: BTreeSet<u64>,
    hosts: BTreeSet<u64>,
    fault: Option<String>,
}

impl KnockOutcomes {
    /// Records an entry, after which `host` is host.
    pub(crate) fn commit(&mut self, entry: &Entry, host: u64) {
        self.hosts.insert(host);
        for change in &entry.changes {
            match change {
                Change::Knocked(knock) => {
                    let again = self
                        .knocks
                        .insert(knock.id.get(), (knock.profile.id.get(), None));
                    self.check(again.is_some(), || {
                        format!("knock {} comes twice", knock.id)
                    });
                }
                Change::KnockOver { knock, state } => self.end_knock(knock.get(), *state),
                Change::Seated { profile, .. } => {
                    let denied = self.denied.contains(&profile.id.get());
                    self.check(denied, || {
                        format!("{} was denied and has a seat", profile.id)
                    });
                }
                Change::Joined { member } => {
                    let denied = self.denied.contains(&member.get());
                    self.check(denied, || format!("{member} was denied and is in"));
                }
                Change::Forgotten { member } => {
                    self.denied.remove(&member.get());
                }
                _ => {}
            }
        }
    }

    fn end_knock(&mut self, knock: u64, state: KnockState) {
        let entry = self.knocks.get_mut(&knock);
        let member = entry.as_ref().map_or(0, |(member, _)| *member);
        let before = entry.and_then(|(_, end)| end.replace(state));
        self.check(member == 0 || before.is_some(), || {
            format!("knock {knock} is {state:?} after {before:?}")
        });
        match state {
            KnockState::Admitted => self.admitted.insert(member),
            KnockState::Denied => self.denied.insert(member),
            KnockState::Waiting | KnockState::Expired => false,
        };
    }

    fn check(&mut self, wrong: bool, what: impl FnOnce() -> String) {
        if wrong {
            self.fault.get_or_insert_with(what);
        }
    }

    /// The first violation that was found.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// The outcome of a join request; `None` if it is pending or unknown.
    pub(crate) fn outcome(&self, knock: u64) -> Option<KnockState> {
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
