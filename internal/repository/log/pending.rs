//! Entries that are committed but stand only in the journal, until they are merged into `entries`.
//!
//! Memory holds them for the writer, which merges them from here, and for readers of a log, since
//! `entries` does not have them.

use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::{LogRecord, SnapshotRecord};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// When the journal has more bytes than this, counted from the first entry that is not merged, the
/// logs with the oldest pending entries are merged. About half of these bytes are pending then:
/// over sixty entries for each of a hundred busy logs, so that a merge fills whole pages.
const JOURNAL_BYTES: u64 = 4 << 20;
/// A commit merges at most this many bytes for each byte that it adds. So a commit stays short even
/// if many logs began to wait together, and the journal never gets longer than twice
/// [`JOURNAL_BYTES`].
const MERGE_RATIO: u64 = 2;
/// Bytes that an entry takes in addition to its payload.
const ENTRY_OVERHEAD: u64 = 128;

/// A log with more pending bytes than this is merged however short the journal is: they fill pages
/// by themselves, and a reader of the log copies them.
const LOG_BYTES: u64 = 128 << 10;

/// What one commit adds, by log.
pub(super) type NewEntries = BTreeMap<SessionId, PendingPart>;

/// Consecutive entries of one log, and what is to be done when they are merged. The journal holds
/// only the entries. If the process dies before the merge, the log continues from the previous
/// snapshot and keeps more entries than it needs.
#[derive(Debug, Clone, Default)]
pub(super) struct PendingPart {
    pub(super) records: Vec<LogRecord>,
    pub(super) snapshot: Option<SnapshotRecord>,
    pub(super) trim_to: Option<u64>,
}

impl PendingPart {
    /// Appends what follows.
    pub(super) fn extend(&mut self, later: Self) {
        self.records.extend(later.records);
        self.trim_to = self.trim_to.max(later.trim_to);
        if later.snapshot.as_ref().map(|later| later.index)
            > self.snapshot.as_ref().map(|kept| kept.index)
        {
            self.snapshot = later.snapshot;
        }
    }

    /// The size in memory and, roughly, in the file.
    pub(super) fn bytes(&self) -> u64 {
        let snapshot = self
            .snapshot
            .as_ref()
            .map_or(0, |snapshot| snapshot.payload.len() as u64);
        snapshot
            + self
                .records
                .iter()
                .map(|record| record.payload.len() as u64 + ENTRY_OVERHEAD)
                .sum::<u64>()
    }
}

/// The pending entries of all logs.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending(Arc<Mutex<PendingLogs>>);

#[derive(Debug, Default)]
struct PendingLogs {
    logs: HashMap<SessionId, PendingLog>,
    /// The logs, ordered by the position of their first pending entry in the journal.
    oldest: BTreeSet<(JournalPosition, SessionId)>,
    /// Bytes written to the journal so far.
    written: u64,
}

/// A position in the journal: the row, and the bytes that were written before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct JournalPosition {
    before: u64,
    row: i64,
}

/// The pending entries of one log. They are consecutive, of one epoch, and follow directly on the
/// merged entries.
#[derive(Debug)]
struct PendingLog {
    position: JournalPosition,
    part: PendingPart,
    bytes: u64,
}

impl Pending {
    fn inner(&self) -> MutexGuard<'_, PendingLogs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pending entries of one log. A reader asks for them before it reads the file. If they are
    /// merged in between, the reader finds them twice, but misses none.
    pub(super) fn of(&self, session: SessionId) -> PendingPart {
        self.inner()
            .logs
            .get(&session)
            .map(|log| log.part.clone())
            .unwrap_or_default()
    }

    /// The index of the last pending entry of this log.
    pub(super) fn last_index(&self, session: SessionId) -> Option<u64> {
        self.inner()
            .logs
            .get(&session)?
            .part
            .records
            .last()
            .map(|record| record.index)
    }

    /// Whether the log gets so long by `part` that it is to be merged at once.
    pub(super) fn exceeds_log_limit(&self, session: SessionId, part: &PendingPart) -> bool {
        self.inner().logs.get(&session).map_or(0, |log| log.bytes) + part.bytes() > LOG_BYTES
    }

    /// If the journal is long, adds to the logs that a commit merges some of those with the oldest
    /// pending entries.
    pub(super) fn add_oldest(&self, new_entries: &NewEntries, merged: &mut BTreeSet<SessionId>) {
        let inner = self.inner();
        let mut budget = MERGE_RATIO * new_entries.values().map(PendingPart::bytes).sum::<u64>();
        for (_, session) in inner
            .oldest
            .iter()
            .take_while(|(position, _)| inner.written - position.before > JOURNAL_BYTES)
        {
            if budget == 0 {
                break;
            }
            merged.insert(*session);
            budget = budget.saturating_sub(inner.logs.get(session).map_or(0, |log| log.bytes));
        }
    }

    /// The logs that have pending entries.
    pub(super) fn all(&self) -> BTreeSet<SessionId> {
        self.inner().logs.keys().copied().collect()
    }

    /// The first row of the journal that is still needed once these logs are merged.
    pub(super) fn first_row(&self, merged: &BTreeSet<SessionId>) -> Option<i64> {
        self.inner()
            .oldest
            .iter()
            .find(|(_, session)| !merged.contains(session))
            .map(|(position, _)| position.row)
    }

    /// Records a commit that merged some logs and added entries of others in this row of the
    /// journal.
    pub(super) fn committed(
        &self,
        merged: &BTreeSet<SessionId>,
        new_entries: NewEntries,
        row: Option<i64>,
    ) {
        let mut inner = self.inner();
        merged.iter().for_each(|session| inner.remove(*session));
        let Some(row) = row else { return };
        let position = JournalPosition {
            before: inner.written,
            row,
        };
        for (session, part) in new_entries
            .into_iter()
            .filter(|(session, _)| !merged.contains(session))
        {
            let bytes = part.bytes();
            inner.written += bytes;
            inner.add(session, position, part, bytes);
        }
    }
}

impl PendingLogs {
    fn add(
        &mut self,
        session: SessionId,
        position: JournalPosition,
        part: PendingPart,
        bytes: u64,
    ) {
        if let Some(log) = self.logs.get_mut(&session) {
            log.part.extend(part);
            log.bytes += bytes;
        } else {
            self.oldest.insert((position, session));
            self.logs.insert(
                session,
                PendingLog {
                    position,
                    part,
                    bytes,
                },
            );
        }
    }

    fn remove(&mut self, session: SessionId) {
        if let Some(log) = self.logs.remove(&session) {
            self.oldest.remove(&(log.position, session));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ENTRY_OVERHEAD, JOURNAL_BYTES, LOG_BYTES, NewEntries, Pending, PendingPart};
    use bytes::Bytes;
    use faceshare_contract::session_log::{append, session};
    use std::collections::BTreeSet;

    /// One entry of log `of` with this size.
    fn sized(of: u64, index: u64, bytes: u64) -> NewEntries {
        let mut records = append(of, "a", index - 1, 1).records;
        records[0].payload = Bytes::from(vec![
            0;
            usize::try_from(bytes - ENTRY_OVERHEAD)
                .expect("a size")
        ]);
        NewEntries::from([(
            session(of),
            PendingPart {
                records,
                ..PendingPart::default()
            },
        )])
    }

    /// An entry of a quarter of the journal's limit.
    fn quarter(of: u64, index: u64) -> NewEntries {
        sized(of, index, JOURNAL_BYTES / 4)
    }

    fn oldest_of(pending: &Pending, new_entries: &NewEntries) -> BTreeSet<u64> {
        let mut merged = BTreeSet::new();
        pending.add_oldest(new_entries, &mut merged);
        merged.into_iter().map(|session| session.get()).collect()
    }

    #[test]
    fn the_logs_with_the_oldest_entries_are_merged_when_the_journal_is_long() {
        let pending = Pending::default();
        let (none, thirty) = (BTreeSet::new(), BTreeSet::from([session(30)]));
        for (row, of, index) in [(1, 30, 1), (2, 20, 1), (3, 30, 2), (4, 10, 1)] {
            pending.committed(&none, quarter(of, index), Some(row));
            assert_eq!(oldest_of(&pending, &quarter(50, 1)), BTreeSet::new());
        }
        assert_eq!(
            (pending.first_row(&none), pending.last_index(session(30))),
            (Some(1), Some(2))
        );
        pending.committed(&none, quarter(40, 1), Some(5));
        assert_eq!(
            oldest_of(&pending, &quarter(50, 1)),
            BTreeSet::from([30]),
            "the one of the first row"
        );
        assert_eq!(pending.first_row(&thirty), Some(2));
        pending.committed(&thirty, quarter(30, 3), None);
        assert_eq!(
            pending.last_index(session(30)),
            None,
            "a log is merged whole"
        );
        assert_eq!(oldest_of(&pending, &quarter(50, 1)), BTreeSet::new());
        for (row, index) in [(6, 4), (7, 5), (8, 6)] {
            pending.committed(&none, quarter(30, index), Some(row));
        }
        assert_eq!(
            oldest_of(&pending, &quarter(50, 1)),
            BTreeSet::from([10, 20]),
            "two for one"
        );
        assert_eq!(
            oldest_of(&pending, &sized(50, 1, ENTRY_OVERHEAD)),
            BTreeSet::from([20]),
            "a small commit, one"
        );
        assert_eq!(
            pending.first_row(&BTreeSet::from([session(10), session(20)])),
            Some(5)
        );
    }

    #[test]
    fn a_log_that_gets_long_is_merged_however_short_the_journal_is() {
        let (pending, none) = (Pending::default(), BTreeSet::new());
        let half = sized(1, 1, LOG_BYTES / 2);
        let exceeds_log_limit =
            |of, bytes| pending.exceeds_log_limit(session(of), &sized(of, 2, bytes)[&session(of)]);
        assert!(!exceeds_log_limit(1, LOG_BYTES));
        pending.committed(&none, half, Some(1));
        assert!(
            !exceeds_log_limit(1, LOG_BYTES / 2)
                && exceeds_log_limit(1, LOG_BYTES / 2 + 1)
                && !exceeds_log_limit(2, LOG_BYTES / 2 + 1)
        );
        pending.committed(&BTreeSet::from([session(1)]), NewEntries::new(), None);
        assert!(!exceeds_log_limit(1, LOG_BYTES));
    }

    #[test]
    fn logs_that_began_to_wait_together_are_merged_gradually_and_the_journal_stays_bounded() {
        let pending = Pending::default();
        let (mut most, mut longest) = (0, 0);
        for row in 1..=500 {
            // A hundred logs add to it, together a tenth of the journal's limit.
            let new_entries: NewEntries = (1..=100)
                .flat_map(|of| sized(of, row, JOURNAL_BYTES / 1_000))
                .collect();
            let mut merged = BTreeSet::new();
            pending.add_oldest(&new_entries, &mut merged);
            most = most.max(merged.len());
            pending.committed(&merged, new_entries, Some(row.cast_signed()));
            longest = longest
                .max(row.cast_signed() - pending.first_row(&BTreeSet::new()).expect("some wait"));
        }
        assert!((2..=40).contains(&most), "{most} of a hundred at once");
        assert!(
            (10..=20).contains(&longest),
            "{longest} commits of a tenth each"
        );
    }
}
