//! The newest entries of a session, in memory: a client that was away for a moment gets its missed
//! frames from here, without a read of the log.

use bytes::Bytes;
use faceshare_biz::domain::instruction::{Epoch, Seq};
use std::collections::VecDeque;

/// Entries at most. Older ones are read from the log page by page: that is cheaper than to keep
/// them in memory for all sessions.
const ENTRIES: usize = 64;

/// One committed entry that holds frames, as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecentEntry {
    /// The seq of its last frame.
    pub(crate) last_seq: Seq,
    /// The entry.
    pub(crate) payload: Bytes,
}

/// The end of the log, as far as it is in memory.
#[derive(Debug)]
pub(crate) struct RecentEntries {
    entries: VecDeque<RecentEntry>,
    bytes: usize,
    bytes_max: usize,
    /// What the seqs count in.
    epoch: Epoch,
    /// Everything after this seq is here.
    floor: Seq,
}

impl RecentEntries {
    /// Nothing yet, of a session that has come to `head` in this epoch; at most so many bytes.
    pub(crate) const fn new(epoch: Epoch, head: Seq, bytes_max: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            bytes_max,
            epoch,
            floor: head,
        }
    }

    /// Takes in the next entry that was committed.
    pub(crate) fn push(&mut self, epoch: &Epoch, last_seq: Seq, payload: Bytes) {
        if *epoch != self.epoch {
            // Entries of an earlier epoch cannot be resumed from.
            *self = Self::new(epoch.clone(), Seq::NONE, self.bytes_max);
        }
        if last_seq
            == self
                .entries
                .back()
                .map_or(self.floor, |entry| entry.last_seq)
        {
            return;
        }
        self.bytes += payload.len();
        self.entries.push_back(RecentEntry { last_seq, payload });
        while self.entries.len() > ENTRIES || self.bytes > self.bytes_max {
            let Some(oldest) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= oldest.payload.len();
            self.floor = oldest.last_seq;
        }
    }

    /// All entries with frames after this seq of this epoch; `None`: they are not all in memory.
    /// For a connection that was attached at the end of an epoch the next epoch may already be
    /// here, if both were committed together.
    pub(crate) fn after(&self, epoch: &Epoch, seen: Seq) -> Option<Vec<RecentEntry>> {
        (self.epoch == *epoch && self.floor <= seen).then(|| {
            let first = self.entries.partition_point(|entry| entry.last_seq <= seen);
            self.entries.range(first..).cloned().collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{ENTRIES, RecentEntries};
    use bytes::Bytes;
    use faceshare_biz::domain::instruction::{Epoch, Seq};

    fn epoch(name: &str) -> Epoch {
        Epoch::new(name).expect("short")
    }

    fn seqs(recent: &RecentEntries, seen: u32) -> Option<Vec<u32>> {
        recent
            .after(&epoch("e"), Seq::new(seen))
            .map(|entries| entries.iter().map(|entry| entry.last_seq.get()).collect())
    }

    fn push(recent: &mut RecentEntries, last_seq: u32) {
        recent.push(
            &epoch("e"),
            Seq::new(last_seq),
            Bytes::from_static(&[0; 10]),
        );
    }

    #[test]
    fn it_has_all_that_was_said_after_a_seq_or_says_that_it_has_not() {
        let mut recent = RecentEntries::new(epoch("e"), Seq::new(4), 1000);
        for last_seq in [6, 6, 7, 9] {
            push(&mut recent, last_seq);
        }
        assert_eq!(seqs(&recent, 3), None);
        assert_eq!(seqs(&recent, 4), Some(vec![6, 7, 9]));
        assert_eq!(
            seqs(&recent, 5),
            Some(vec![6, 7, 9]),
            "an entry of two frames, of which one was seen"
        );
        assert_eq!(seqs(&recent, 9), Some(vec![]));
    }

    #[test]
    fn entries_and_bytes_bound_it() {
        let mut by_bytes = RecentEntries::new(epoch("e"), Seq::NONE, 25);
        (1..=5).for_each(|seq| push(&mut by_bytes, seq));
        assert_eq!(
            (seqs(&by_bytes, 2), seqs(&by_bytes, 3)),
            (None, Some(vec![4, 5]))
        );
        let mut by_entries = RecentEntries::new(epoch("e"), Seq::NONE, 1 << 20);
        (1..=500).for_each(|seq| push(&mut by_entries, seq));
        assert_eq!(
            by_entries
                .after(&epoch("e"), Seq::new(500 - 64))
                .map(|entries| entries.len()),
            Some(ENTRIES)
        );
        assert_eq!(seqs(&by_entries, 500 - 65), None);
    }

    #[test]
    fn a_new_epoch_begins_with_nothing_and_the_old_one_is_gone() {
        let mut recent = RecentEntries::new(epoch("e"), Seq::new(4), 1000);
        push(&mut recent, 5);
        let next = epoch("next");
        recent.push(&next, Seq::NONE, Bytes::new());
        assert_eq!(recent.after(&next, Seq::NONE), Some(vec![]));
        recent.push(&next, Seq::new(6), Bytes::new());
        assert_eq!(
            recent.after(&next, Seq::NONE).map(|entries| entries.len()),
            Some(1)
        );
        assert_eq!(
            [seqs(&recent, 0), seqs(&recent, 5)],
            [None, None],
            "not even though the seq would fit"
        );
    }
}
