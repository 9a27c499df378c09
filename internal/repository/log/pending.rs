//! Entries that are committed and stand in the journal alone, until they are filed.
//!
//! They are kept in memory for two: the writer, which files them from here, and whoever reads a log, since `entries` does not have them.

use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::{LogRecord, SnapshotRecord};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of the journal from the first entry that is not filed, over which the logs that have waited longest are filed. About half of them
/// are pending then: over sixty entries for each of a hundred busy logs, so that filing them fills whole pages.
const BYTES: u64 = 4 << 20;
/// A commit files so much for each byte that it adds: that many logs began to wait together is then no long commit, and the journal still
/// never gets longer than twice the above.
const PACE: u64 = 2;
/// Bytes that an entry takes beside its payload.
const BESIDE: u64 = 128;

/// Bytes over which a log is filed however short the journal is: they fill pages by themselves, and whoever resumes gets a copy of them.
const OWN: u64 = 128 << 10;

/// What one commit adds, by log.
pub(super) type Fresh = BTreeMap<SessionId, Part>;

/// A stretch of one log, and what is to be done when it is filed. The journal has the entries alone: if the process dies before, the log
/// goes on from the snapshot before, and has more than it needs.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    pub(super) records: Vec<LogRecord>,
    pub(super) snapshot: Option<SnapshotRecord>,
    pub(super) trim_to: Option<u64>,
}

impl Part {
    /// With what comes behind it.
    pub(super) fn extend(&mut self, later: Self) {
        self.records.extend(later.records);
        self.trim_to = self.trim_to.max(later.trim_to);
        if later.snapshot.as_ref().map(|later| later.index) > self.snapshot.as_ref().map(|kept| kept.index) {
            self.snapshot = later.snapshot;
        }
    }

    /// What it weighs, in memory and, about, in the file.
    pub(super) fn bytes(&self) -> u64 {
        let snapshot = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.payload.len() as u64);
        snapshot + self.records.iter().map(|record| record.payload.len() as u64 + BESIDE).sum::<u64>()
    }
}

/// The pending entries of all logs.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    logs: HashMap<SessionId, Log>,
    /// The logs by where in the journal their first pending entry stands.
    oldest: BTreeSet<(Place, SessionId)>,
    /// Bytes that the journal was given so far.
    written: u64,
}

/// Where in the journal: the row, and the bytes that were written before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    before: u64,
    row: i64,
}

/// What is pending of one log. Its entries are consecutive, of one epoch, right behind what is filed of it.
#[derive(Debug)]
struct Log {
    place: Place,
    part: Part,
    bytes: u64,
}

impl Pending {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of one log. A reader asks for them before it looks at the file: what is filed in between it then finds twice, and misses nothing.
    pub(super) fn of(&self, session: SessionId) -> Part {
        self.inner().logs.get(&session).map(|log| log.part.clone()).unwrap_or_default()
    }

    /// The index of the last one of this log.
    pub(super) fn last_index(&self, session: SessionId) -> Option<u64> {
        self.inner().logs.get(&session)?.part.records.last().map(|record| record.index)
    }

    /// Whether a log gets so long by this that it is to be filed at once.
    pub(super) fn outgrows(&self, session: SessionId, part: &Part) -> bool {
        self.inner().logs.get(&session).map_or(0, |log| log.bytes) + part.bytes() > OWN
    }

    /// Adds to the logs that a commit files some of those that have waited longest, if the journal is long.
    pub(super) fn choose(&self, fresh: &Fresh, filed: &mut BTreeSet<SessionId>) {
        let inner = self.inner();
        let mut pace = PACE * fresh.values().map(Part::bytes).sum::<u64>();
        for (_, session) in inner.oldest.iter().take_while(|(place, _)| inner.written - place.before > BYTES) {
            if pace == 0 {
                break;
            }
            filed.insert(*session);
            pace = pace.saturating_sub(inner.logs.get(session).map_or(0, |log| log.bytes));
        }
    }

    /// The logs that have any.
    pub(super) fn all(&self) -> BTreeSet<SessionId> {
        self.inner().logs.keys().copied().collect()
    }

    /// The first row of the journal that is needed once these logs are filed.
    pub(super) fn first_row(&self, filed: &BTreeSet<SessionId>) -> Option<i64> {
        self.inner().oldest.iter().find(|(_, session)| !filed.contains(session)).map(|(place, _)| place.row)
    }

    /// After a commit that filed some logs and added entries to others, in this row of the journal.
    pub(super) fn committed(&self, filed: &BTreeSet<SessionId>, fresh: Fresh, row: Option<i64>) {
        let mut inner = self.inner();
        filed.iter().for_each(|session| inner.remove(*session));
        let Some(row) = row else { return };
        let place = Place { before: inner.written, row };
        for (session, part) in fresh.into_iter().filter(|(session, _)| !filed.contains(session)) {
            let bytes = part.bytes();
            inner.written += bytes;
            inner.add(session, place, part, bytes);
        }
    }
}

impl Inner {
    fn add(&mut self, session: SessionId, place: Place, part: Part, bytes: u64) {
        if let Some(log) = self.logs.get_mut(&session) {
            log.part.extend(part);
            log.bytes += bytes;
        } else {
            self.oldest.insert((place, session));
            self.logs.insert(session, Log { place, part, bytes });
        }
    }

    fn remove(&mut self, session: SessionId) {
        if let Some(log) = self.logs.remove(&session) {
            self.oldest.remove(&(log.place, session));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BESIDE, BYTES, Fresh, OWN, Part, Pending};
    use bytes::Bytes;
    use faceshare_contract::session_log::{append, session};
    use std::collections::BTreeSet;

    /// One entry of this log, so large.
    fn sized(of: u64, index: u64, bytes: u64) -> Fresh {
        let mut records = append(of, "a", index - 1, 1).records;
        records[0].payload = Bytes::from(vec![0; usize::try_from(bytes - BESIDE).expect("a size")]);
        Fresh::from([(session(of), Part { records, ..Part::default() })])
    }

    /// One of which four make the journal long.
    fn quarter(of: u64, index: u64) -> Fresh {
        sized(of, index, BYTES / 4)
    }

    fn chosen(pending: &Pending, fresh: &Fresh) -> BTreeSet<u64> {
        let mut filed = BTreeSet::new();
        pending.choose(fresh, &mut filed);
        filed.into_iter().map(|session| session.get()).collect()
    }

    #[test]
    fn those_that_have_waited_longest_are_filed_when_the_journal_is_long() {
        let pending = Pending::default();
        let (none, thirty) = (BTreeSet::new(), BTreeSet::from([session(30)]));
        for (row, of, index) in [(1, 30, 1), (2, 20, 1), (3, 30, 2), (4, 10, 1)] {
            pending.committed(&none, quarter(of, index), Some(row));
            assert_eq!(chosen(&pending, &quarter(50, 1)), BTreeSet::new());
        }
        assert_eq!((pending.first_row(&none), pending.last_index(session(30))), (Some(1), Some(2)));
        pending.committed(&none, quarter(40, 1), Some(5));
        assert_eq!(chosen(&pending, &quarter(50, 1)), BTreeSet::from([30]), "the one of the first row");
        assert_eq!(pending.first_row(&thirty), Some(2));
        pending.committed(&thirty, quarter(30, 3), None);
        assert_eq!(pending.last_index(session(30)), None, "a log is filed whole");
        assert_eq!(chosen(&pending, &quarter(50, 1)), BTreeSet::new());
        for (row, index) in [(6, 4), (7, 5), (8, 6)] {
            pending.committed(&none, quarter(30, index), Some(row));
        }
        assert_eq!(chosen(&pending, &quarter(50, 1)), BTreeSet::from([10, 20]), "two for one");
        assert_eq!(chosen(&pending, &sized(50, 1, BESIDE)), BTreeSet::from([20]), "a small commit, one");
        assert_eq!(pending.first_row(&BTreeSet::from([session(10), session(20)])), Some(5));
    }

    #[test]
    fn a_log_that_gets_long_is_filed_however_short_the_journal_is() {
        let (pending, none) = (Pending::default(), BTreeSet::new());
        let half = sized(1, 1, OWN / 2);
        let outgrows = |of, bytes| pending.outgrows(session(of), &sized(of, 2, bytes)[&session(of)]);
        assert!(!outgrows(1, OWN));
        pending.committed(&none, half, Some(1));
        assert!(!outgrows(1, OWN / 2) && outgrows(1, OWN / 2 + 1) && !outgrows(2, OWN / 2 + 1));
        pending.committed(&BTreeSet::from([session(1)]), Fresh::new(), None);
        assert!(!outgrows(1, OWN));
    }

    #[test]
    fn logs_that_began_to_wait_together_are_filed_one_after_the_other_and_the_journal_stays_bounded() {
        let pending = Pending::default();
        let (mut most, mut longest) = (0, 0);
        for row in 1..=500 {
            // A hundred logs add to it, together a tenth of what makes the journal long.
            let fresh: Fresh = (1..=100).flat_map(|of| sized(of, row, BYTES / 1_000)).collect();
            let mut filed = BTreeSet::new();
            pending.choose(&fresh, &mut filed);
            most = most.max(filed.len());
            pending.committed(&filed, fresh, Some(row.cast_signed()));
            longest = longest.max(row.cast_signed() - pending.first_row(&BTreeSet::new()).expect("some wait"));
        }
        assert!((2..=40).contains(&most), "{most} of a hundred at once");
        assert!((10..=20).contains(&longest), "{longest} commits of a tenth each");
    }
}
