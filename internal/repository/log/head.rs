//! Where each log ends, and whether an append fits there.
//!
//! The writer keeps the heads of the logs that it wrote to in memory. They cannot lie: nobody else writes (the folder's lock), and what a
//! failed commit touched is forgotten and read again.

use super::store::Boot;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::Append;
use std::collections::HashMap;
use std::sync::Arc;

/// Heads in memory at most, about 8 MiB; over it all are forgotten and read again as needed.
const HEADS: usize = 65_536;

/// The end of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The last entry's epoch; empty for an empty log.
    pub(super) epoch: Arc<str>,
    /// The first index of that epoch.
    pub(super) epoch_start: u64,
    /// The index of the last entry; 0: the log is empty.
    pub(super) index: u64,
    /// See [`Boot::mark`].
    pub(super) boot: i64,
}

impl Default for Head {
    fn default() -> Self {
        Self { epoch: Arc::from(""), epoch_start: 1, index: 0, boot: 0 }
    }
}

/// What becomes of one append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is part of the commit.
    Accepted,
    /// The log ends elsewhere.
    Conflict,
    /// No such append can be made: a bug of the caller's.
    Malformed(&'static str),
}

/// The heads that are in memory.
#[derive(Debug)]
pub(super) struct Heads {
    known: HashMap<SessionId, Head>,
    /// Those that the group under way has changed.
    changed: Vec<SessionId>,
    /// Those of them that it has changed in more than the index.
    turned: Vec<SessionId>,
    boot: Boot,
}

impl Heads {
    pub(super) fn new(boot: Boot) -> Self {
        Self { known: HashMap::new(), changed: Vec::new(), turned: Vec::new(), boot }
    }

    /// Those of `sessions` that must be read before [`Heads::judge`].
    pub(super) fn missing(&mut self, sessions: impl Iterator<Item = SessionId>) -> Vec<SessionId> {
        if self.known.len() > HEADS {
            self.known.clear();
        }
        let mut missing: Vec<_> = sessions.filter(|session| !self.known.contains_key(session)).collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// Takes in a head that was read; `None`: there is no such log.
    pub(super) fn learn(&mut self, session: SessionId, head: Option<Head>) {
        self.known.insert(session, head.unwrap_or_default());
    }

    /// Whether this append fits at the end of its log, behind what was accepted before it; if so, that end moves.
    pub(super) fn judge(&mut self, append: &Append) -> Verdict {
        let Some(head) = self.known.get_mut(&append.session) else {
            return Verdict::Malformed("invariant: heads are learnt before appends are judged");
        };
        if head.index != append.expected_index {
            return Verdict::Conflict;
        }
        let indices = (append.expected_index + 1)..;
        if !append.records.iter().zip(indices).all(|(record, index)| record.index == index) {
            return Verdict::Malformed("the entries' indices are not consecutive");
        }
        let last = append.records.last().map_or(head.index, |record| record.index);
        if append.snapshot.as_ref().is_some_and(|snapshot| !(1..=last).contains(&snapshot.index)) {
            return Verdict::Malformed("the snapshot is of no entry of this log");
        }
        if append.records.is_empty() {
            return Verdict::Accepted;
        }
        let (epoch_start, boot) = (head.epoch_start, head.boot);
        for record in &append.records {
            if *head.epoch != *record.epoch.as_str() {
                head.epoch = Arc::from(record.epoch.as_str());
                head.epoch_start = record.index;
                head.boot = self.boot.mark();
            }
        }
        // What was written with full synchronisation is safe, what is written now may be less so. Another boot's mark stays: the epoch may
        // have lost entries, however it goes on.
        if head.boot == 0 {
            head.boot = self.boot.mark();
        }
        // The first epoch begins where an empty log does.
        if (head.epoch_start, head.boot) != (epoch_start, boot) || head.index == 0 {
            self.turned.push(append.session);
        }
        head.index = last;
        self.changed.push(append.session);
        Verdict::Accepted
    }

    /// The head of this log, if it is in memory.
    pub(super) fn get(&self, session: SessionId) -> Option<&Head> {
        self.known.get(&session)
    }

    /// The logs whose head the group has changed in more than the index: another epoch, or another mark.
    pub(super) fn turned(&self) -> impl Iterator<Item = SessionId> {
        self.turned.iter().copied()
    }

    /// The group is committed: what is in memory is so.
    pub(super) fn keep(&mut self) {
        self.changed.clear();
        self.turned.clear();
    }

    /// The group is lost, or may be: what it has changed is not known any more.
    pub(super) fn forget_changed(&mut self) {
        for session in self.changed.drain(..) {
            self.known.remove(&session);
        }
        self.turned.clear();
    }

    /// This log was deleted.
    pub(super) fn forget(&mut self, session: SessionId) {
        self.known.remove(&session);
    }
}

#[cfg(test)]
mod tests {
    use super::{Head, Heads, Verdict};
    use crate::log::store::Boot;
    use crate::sqlite::Synchronous::{Full, Normal};
    use faceshare_biz::domain::instruction::{Append, Epoch, SnapshotRecord};
    use faceshare_contract::session_log::{append, session};
    use std::sync::Arc;

    fn heads(boot: i64, of: Option<Head>) -> Heads {
        let mut heads = Heads::new(Boot::for_test(boot, Normal));
        heads.learn(session(1), of);
        heads
    }

    fn boot(heads: &Heads) -> i64 {
        heads.get(session(1)).expect("known").boot
    }

    fn turned(heads: &Heads) -> bool {
        heads.turned().any(|turned| turned == session(1))
    }

    #[test]
    fn appends_of_one_group_are_judged_one_behind_the_other() {
        let mut heads = heads(1, None);
        assert_eq!(heads.judge(&append(1, "a", 0, 2)), Verdict::Accepted);
        assert_eq!(heads.judge(&append(1, "a", 0, 1)), Verdict::Conflict);
        assert_eq!(heads.judge(&append(1, "b", 2, 1)), Verdict::Accepted);
        let expected = Head { epoch: Arc::from("b"), epoch_start: 3, index: 3, boot: 1 };
        assert_eq!(heads.get(session(1)), Some(&expected));
    }

    #[test]
    fn what_no_log_can_hold_is_malformed_and_changes_nothing() {
        let mut heads = heads(1, None);
        let mut gap = append(1, "a", 0, 2);
        gap.records.remove(0);
        assert!(matches!(heads.judge(&gap), Verdict::Malformed(_)));
        let epoch = Epoch::new("a").expect("an epoch");
        for index in [0, 2] {
            let snapshot = SnapshotRecord { index, epoch: epoch.clone(), payload: bytes::Bytes::new() };
            let beyond = Append { snapshot: Some(snapshot), ..append(1, "a", 0, 1) };
            assert!(matches!(heads.judge(&beyond), Verdict::Malformed(_)), "{index}");
        }
        assert_eq!(heads.get(session(1)), Some(&Head::default()));
    }

    #[test]
    fn another_boots_mark_stays_until_a_new_epoch() {
        let old = Head { epoch: Arc::from("a"), epoch_start: 1, index: 4, boot: 1 };
        let mut heads = heads(2, Some(old));
        assert_eq!(heads.judge(&append(1, "a", 4, 1)), Verdict::Accepted);
        assert_eq!(boot(&heads), 1);
        assert_eq!(heads.judge(&append(1, "b", 5, 1)), Verdict::Accepted);
        assert_eq!(boot(&heads), 2);
    }

    #[test]
    fn an_epoch_written_in_full_is_marked_once_it_goes_on_without() {
        let safe = Head { epoch: Arc::from("a"), epoch_start: 1, index: 4, boot: 0 };
        let mut normal = heads(2, Some(safe.clone()));
        assert_eq!(normal.judge(&append(1, "a", 4, 1)), Verdict::Accepted);
        assert_eq!(boot(&normal), 2);
        let mut full = Heads::new(Boot::for_test(2, Full));
        full.learn(session(1), Some(safe));
        assert_eq!(full.judge(&append(1, "a", 4, 1)), Verdict::Accepted);
        assert_eq!(boot(&full), 0);
    }

    #[test]
    fn a_log_turns_with_its_first_entry_its_epoch_and_its_mark_and_not_while_it_goes_on() {
        let mut heads = heads(1, None);
        for (more, turns) in [(append(1, "a", 0, 2), true), (append(1, "a", 2, 2), false), (append(1, "b", 4, 1), true)] {
            assert_eq!(heads.judge(&more), Verdict::Accepted);
            assert_eq!(turned(&heads), turns, "{}", more.expected_index);
            heads.keep();
        }
        let mut marked = Heads::new(Boot::for_test(2, Normal));
        marked.learn(session(1), Some(Head { epoch: Arc::from("a"), epoch_start: 1, index: 4, boot: 0 }));
        assert_eq!(marked.judge(&append(1, "a", 4, 1)), Verdict::Accepted);
        assert!(turned(&marked));
    }

    #[test]
    fn what_a_failed_commit_touched_is_read_again() {
        let mut heads = heads(1, None);
        assert_eq!(heads.judge(&append(1, "a", 0, 1)), Verdict::Accepted);
        heads.forget_changed();
        assert_eq!(heads.missing([session(1), session(1)].into_iter()), [session(1)]);
    }
}
