//! The journal: one row holds what a commit adds to many logs.
//!
//! In `entries` every log has pages of its own. A commit that put a few entries into each of a
//! hundred logs would write a hundred pages. Here it writes them one after the other instead, and a
//! later commit merges the entries of each log into `entries`, many at a time (`pending`). What the
//! process did not merge is merged when the file is opened again.
use super::rows;
use crate::error::{from_rusqlite, unreadable};
use crate::sqlite;
use bytes::{Buf as _, BufMut as _, Bytes};
use faceshare_biz::Result;
use faceshare_biz::domain::instruction::{Epoch, LogRecord, Seq};
use faceshare_biz::domain::{SessionId, Timestamp};
use rusqlite::Connection;
use std::collections::BTreeMap;

const ADD: &str = "INSERT INTO journal (logs) VALUES (?1)";
const FORGET: &str = "DELETE FROM journal WHERE id < ?1";
/// The first row of an empty journal.
pub(super) const EMPTY: i64 = i64::MAX;

const ALL: &str = "SELECT logs FROM journal ORDER BY id";

/// What one commit adds. For each log: its session, the number of entries (u32), their epoch
/// (length u8), the first index (u64), and of each entry its last seq (u32), time (i64) and payload
/// (length u32). Little endian.
#[derive(Default)]
pub(super) struct JournalRow(Vec<u8>);

impl JournalRow {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Adds entries of one log; they are consecutive and of one epoch.
    /// Entries of one log, consecutive and of one epoch.
    pub(super) fn add(&mut self, session: SessionId, records: &[LogRecord]) {
        let Some(first) = records.first() else { return };
        let to = &mut self.0;
        to.put_u64_le(session.get());
        to.put_u32_le(length(records.len()));
        let epoch = first.epoch.as_str().as_bytes();
        to.put_u8(
            u8::try_from(epoch.len()).expect("invariant: an epoch has at most 32 characters"),
        );
        to.put_slice(epoch);
        to.put_u64_le(first.index);
        for record in records {
            to.put_u32_le(record.last_seq.get());
            to.put_i64_le(record.at.as_millis());
            to.put_u32_le(length(record.payload.len()));
            to.put_slice(&record.payload);
        }
    }

    /// Inserts the row and returns its id.
    pub(super) fn write(&self, db: &Connection) -> rusqlite::Result<i64> {
        db.prepare_cached(ADD)?.insert([&self.0])
    }
}

fn length(of: usize) -> u32 {
    u32::try_from(of).expect("invariant: SQLite keeps no blob of 4 GiB")
}

/// Deletes the rows before this one.
pub(super) fn delete_before(db: &Connection, before: i64) -> rusqlite::Result<()> {
    db.prepare_cached(FORGET)?.execute([before]).map(drop)
}

/// Merges the journal into `entries` and `heads`, and empties it.
pub(super) fn merge(db: &Connection) -> Result<()> {
    let mut logs = BTreeMap::new();
    let mut all = db.prepare_cached(ALL).map_err(from_rusqlite)?;
    for row in all
        .query_map([], |row| row.get::<_, Vec<u8>>(0))
        .map_err(from_rusqlite)?
    {
        read(&row.map_err(from_rusqlite)?, &mut logs)?;
    }
    sqlite::in_transaction(db, |db| {
        for (session, records) in logs {
            merge_rest(db, session, records)?;
        }
        delete_before(db, EMPTY)
    })
    .map_err(from_rusqlite)
}

/// Entries that were merged before are skipped. So are those of a log that was deleted or has begun
/// a new epoch since.
fn merge_rest(
    db: &Connection,
    session: SessionId,
    mut records: Vec<LogRecord>,
) -> rusqlite::Result<()> {
    let Some(mut head) = rows::find_head(db, session)? else {
        return Ok(());
    };
    records.retain(|record| record.index > head.index && record.epoch.as_str() == &*head.epoch);
    let Some(last) = records.last() else {
        return Ok(());
    };
    head.index = last.index;
    rows::insert_entries(db, session, &records)?;
    rows::put_head(db, session, &head)
}

/// Adds the entries of one row to `logs`.
fn read(mut row: &[u8], logs: &mut BTreeMap<SessionId, Vec<LogRecord>>) -> Result<()> {
    while !row.is_empty() {
        let (session, records) = read_part(&mut row).ok_or_else(|| unreadable("journal.logs"))?;
        logs.entry(session).or_default().extend(records);
    }
    Ok(())
}

fn read_part(from: &mut &[u8]) -> Option<(SessionId, Vec<LogRecord>)> {
    let session = SessionId::new(from.try_get_u64_le().ok()?)?;
    let count = from.try_get_u32_le().ok()?;
    let epoch = usize::from(from.try_get_u8().ok()?);
    let epoch = Epoch::new(str::from_utf8(take(from, epoch)?).ok()?)?;
    let first = from.try_get_u64_le().ok()?;
    let record = |index| {
        let last_seq = Seq::new(from.try_get_u32_le().ok()?);
        let at = Timestamp::from_millis(from.try_get_i64_le().ok()?);
        let length = usize::try_from(from.try_get_u32_le().ok()?).ok()?;
        Some(LogRecord {
            index,
            epoch: epoch.clone(),
            last_seq,
            at,
            payload: Bytes::copy_from_slice(take(from, length)?),
        })
    };
    let records: Option<Vec<_>> = (first..)
        .take(usize::try_from(count).ok()?)
        .map(record)
        .collect();
    Some((session, records?))
}

fn take<'a>(from: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::{JournalRow, read};
    use faceshare_contract::session_log::{append, session};
    use std::collections::BTreeMap;

    #[test]
    fn a_row_is_read_as_it_was_written_and_a_truncated_row_is_an_error() {
        let (one, two) = (append(1, "a", 4, 3).records, append(2, "b", 0, 1).records);
        let mut row = JournalRow::default();
        assert!(row.is_empty());
        row.add(session(1), &one);
        let half = row.0.len();
        row.add(session(2), &two);
        let mut logs = BTreeMap::new();
        read(&row.0, &mut logs).expect("read");
        assert_eq!(logs, BTreeMap::from([(session(1), one), (session(2), two)]));
        for end in (1..row.0.len()).filter(|end| *end != half) {
            assert!(read(&row.0[..end], &mut BTreeMap::new()).is_err(), "{end}");
        }
    }
}
