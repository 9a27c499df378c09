//! Where each log ends, and whether an append fits there.
//!
//! The writer caches the heads of the logs that it wrote to. The cache is always right: no other
//! process writes (the folder's lock), and heads that a failed commit changed are dropped and read
//! again.

use super::store::Boot;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::Append;
use std::collections::HashMap;
use std::sync::Arc;

/// Cached heads, about 8 MiB. Above this number the cache is emptied, and heads are read again as
/// needed.
const HEADS_MAX: usize = 65_536;

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
        Self {
            epoch: Arc::from(""),
            epoch_start: 1,
            index: 0,
            boot: 0,
        }
    }
}

/// The result of checking one append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is part of the commit.
    Accepted,
    /// The log does not end where the append expects it to.
    Conflict,
    /// The append is invalid, which is a bug of its caller.
    Malformed(&'static str),
}

/// The cached heads.
#[derive(Debug)]
pub(super) struct Heads {
    cached: HashMap<SessionId, Head>,
    /// Logs whose head the present group has changed.
    changed: Vec<SessionId>,
    /// Those of them where more than the index has changed.
    rewritten: Vec<SessionId>,
    boot: Boot,
}

impl Heads {
    pub(super) fn new(boot: Boot) -> Self {
        Self {
            cached: HashMap::new(),
            changed: Vec::new(),
            rewritten: Vec::new(),
            boot,
        }
    }

    /// Those of `sessions` that must be read before [`Heads::check`].
    pub(super) fn missing(&mut self, sessions: impl Iterator<Item = SessionId>) -> Vec<SessionId> {
        if self.cached.len() > HEADS_MAX {
            self.cached.clear();
        }
        let mut missing: Vec<_> = sessions
            .filter(|session| !self.cached.contains_key(session))
            .collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// Caches a head that was read; `None` if there is no such log.
    pub(super) fn insert(&mut self, session: SessionId, head: Option<Head>) {
        self.cached.insert(session, head.unwrap_or_default());
    }

    /// Checks that this append continues its log, after the appends accepted before it. If it does,
    /// the head moves to its last entry.
    pub(super) fn check(&mut self, append: &Append) -> Verdict {
        let Some(head) = self.cached.get_mut(&append.session) else {
            return Verdict::Malformed("invariant: heads are cached before appends are checked");
        };
        if head.index != append.expected_index {
            return Verdict::Conflict;
        }
        let indices = (append.expected_index + 1)..;
        if !append
            .records
            .iter()
            .zip(indices)
            .all(|(record, index)| record.index == index)
        {
            return Verdict::Malformed("the entries' indices are not consecutive");
        }
        let last = append
            .records
            .last()
            .map_or(head.index, |record| record.index);
        if append
            .snapshot
            .as_ref()
            .is_some_and(|snapshot| !(1..=last).contains(&snapshot.index))
        {
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
        // Entries written with full synchronisation are safe, entries written now may be less so.
        // The mark of another boot stays: the epoch may have lost entries, whatever follows.
        if head.boot == 0 {
            head.boot = self.boot.mark();
        }
        // The first epoch begins in an empty log.
        if (head.epoch_start, head.boot) != (epoch_start, boot) || head.index == 0 {
            self.rewritten.push(append.session);
        }
        head.index = last;
        self.changed.push(append.session);
        Verdict::Accepted
    }

    /// The head of this log, if it is cached.
    pub(super) fn get(&self, session: SessionId) -> Option<&Head> {
        self.cached.get(&session)
    }

    /// The logs whose head the group has changed in more than the index: their epoch or their mark.
    pub(super) fn rewritten(&self) -> impl Iterator<Item = SessionId> {
        self.rewritten.iter().copied()
    }

    /// The group is committed, so the changed heads are valid.
    pub(super) fn commit(&mut self) {
        self.changed.clear();
        self.rewritten.clear();
    }

    /// The group failed, or may have: the heads that it changed are dropped.
    pub(super) fn remove_changed(&mut self) {
        for session in self.changed.drain(..) {
            self.cached.remove(&session);
        }
        self.rewritten.clear();
    }

    /// Drops the head of a deleted log.
    pub(super) fn remove(&mut self, session: SessionId) {
        self.cached.remove(&session);
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
        heads.insert(session(1), of);
        heads
    }

    fn boot(heads: &Heads) -> i64 {
        heads.get(session(1)).expect("cached").boot
    }

    fn rewritten(heads: &Heads) -> bool {
        heads.rewritten().any(|rewritten| rewritten == session(1))
    }

    #[test]
    fn appends_of_one_group_are_checked_in_order() {
        let mut heads = heads(1, None);
        assert_eq!(heads.check(&append(1, "a", 0, 2)), Verdict::Accepted);
        assert_eq!(heads.check(&append(1, "a", 0, 1)), Verdict::Conflict);
        assert_eq!(heads.check(&append(1, "b", 2, 1)), Verdict::Accepted);
        let expected = Head {
            epoch: Arc::from("b"),
            epoch_start: 3,
            index: 3,
            boot: 1,
        };
        assert_eq!(heads.get(session(1)), Some(&expected));
    }

    #[test]
    fn an_invalid_append_is_malformed_and_changes_nothing() {
        let mut heads = heads(1, None);
        let mut gap = append(1, "a", 0, 2);
        gap.records.remove(0);
        assert!(matches!(heads.check(&gap), Verdict::Malformed(_)));
        let epoch = Epoch::new("a").expect("an epoch");
        for index in [0, 2] {
            let snapshot = SnapshotRecord {
                index,
                epoch: epoch.clone(),
                payload: bytes::Bytes::new(),
            };
            let beyond = Append {
                snapshot: Some(snapshot),
                ..append(1, "a", 0, 1)
            };
            assert!(
                matches!(heads.check(&beyond), Verdict::Malformed(_)),
                "{index}"
            );
        }
        assert_eq!(heads.get(session(1)), Some(&Head::default()));
    }

    #[test]
    fn another_boots_mark_stays_until_a_new_epoch() {
        let old = Head {
            epoch: Arc::from("a"),
            epoch_start: 1,
            index: 4,
            boot: 1,
        };
        let mut heads = heads(2, Some(old));
        assert_eq!(heads.check(&append(1, "a", 4, 1)), Verdict::Accepted);
        assert_eq!(boot(&heads), 1);
        assert_eq!(heads.check(&append(1, "b", 5, 1)), Verdict::Accepted);
        assert_eq!(boot(&heads), 2);
    }

    #[test]
    fn an_epoch_written_in_full_is_marked_when_it_continues_in_normal_mode() {
        let safe = Head {
            epoch: Arc::from("a"),
            epoch_start: 1,
            index: 4,
            boot: 0,
        };
        let mut normal = heads(2, Some(safe.clone()));
        assert_eq!(normal.check(&append(1, "a", 4, 1)), Verdict::Accepted);
        assert_eq!(boot(&normal), 2);
        let mut full = Heads::new(Boot::for_test(2, Full));
        full.insert(session(1), Some(safe));
        assert_eq!(full.check(&append(1, "a", 4, 1)), Verdict::Accepted);
        assert_eq!(boot(&full), 0);
    }

    #[test]
    fn a_head_is_rewritten_with_the_first_entry_a_new_epoch_or_a_new_mark_only() {
        let mut heads = heads(1, None);
        for (more, expected) in [
            (append(1, "a", 0, 2), true),
            (append(1, "a", 2, 2), false),
            (append(1, "b", 4, 1), true),
        ] {
            assert_eq!(heads.check(&more), Verdict::Accepted);
            assert_eq!(rewritten(&heads), expected, "{}", more.expected_index);
            heads.commit();
        }
        let mut marked = Heads::new(Boot::for_test(2, Normal));
        marked.insert(
            session(1),
            Some(Head {
                epoch: Arc::from("a"),
                epoch_start: 1,
                index: 4,
                boot: 0,
            }),
        );
        assert_eq!(marked.check(&append(1, "a", 4, 1)), Verdict::Accepted);
        assert!(rewritten(&marked));
    }

    #[test]
    fn heads_that_a_failed_commit_changed_are_read_again() {
        let mut heads = heads(1, None);
        assert_eq!(heads.check(&append(1, "a", 0, 1)), Verdict::Accepted);
        heads.remove_changed();
        assert_eq!(
            heads.missing([session(1), session(1)].into_iter()),
            [session(1)]
        );
    }
}
