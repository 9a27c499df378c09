//! An entry in the making.

use crate::entry::{Change, Entry, Step};
use crate::follow_change::Graph;
use crate::rules::Rules;
use crate::state::State;
use faceshare_biz::domain::instruction::Event;
use faceshare_biz::domain::{MemberId, Timestamp};

/// Collects what one input leads to. The state it starts from is only read.
pub(crate) struct Draft<'a> {
    pub(crate) state: &'a State,
    pub(crate) rules: &'a Rules,
    pub(crate) now: Timestamp,
    pub(crate) graph: Graph<'a>,
    from: Option<MemberId>,
    changes: Vec<Change>,
    events: Vec<Event>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(state: &'a State, rules: &'a Rules, now: Timestamp) -> Self {
        Self {
            state,
            rules,
            now,
            graph: Graph::new(state),
            from: None,
            changes: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Whose doing it is.
    pub(crate) const fn by(&mut self, member: MemberId) {
        self.from = Some(member);
    }

    pub(crate) fn change(&mut self, change: Change) {
        self.changes.push(change);
    }

    pub(crate) fn say(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Whether anything has come of it so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.events.is_empty()
    }

    /// Takes back the repeated instruction when nothing came of it: it was so already.
    pub(crate) fn withdraw_a_lone_event(&mut self) {
        if self.changes.is_empty() && self.events.len() == 1 {
            self.events.clear();
        }
    }

    /// Keeps the nonce with the seq of the first frame, if anything came of the instruction.
    pub(crate) fn remember_nonce(&mut self, member: MemberId, nonce: u64) {
        if nonce != 0 && !self.events.is_empty() {
            self.change(Change::Nonce {
                member,
                nonce,
                seq: self.state.seq().plus(1),
            });
        }
    }

    /// The same for an instruction without an ordered frame: its repeat is answered with the seq
    /// that holds now.
    pub(crate) fn remember_silent_nonce(&mut self, member: MemberId, nonce: u64) {
        if nonce != 0 {
            self.change(Change::Nonce {
                member,
                nonce,
                seq: self.state.seq(),
            });
        }
    }

    pub(crate) fn finish(self) -> Step {
        if self.is_empty() {
            return Step::Unchanged;
        }
        Step::Entry(Entry {
            at: self.now,
            from: self.from,
            changes: self.changes,
            events: self.events,
        })
    }
}
