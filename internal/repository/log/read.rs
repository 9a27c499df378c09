//! Reading logs, each time from one consistent state of the file.

use super::store::Boot;
use crate::error::{from_sqlx, unreadable};
use bytes::Bytes;
use faceshare_biz::domain::instruction::{Epoch, Loaded, LogRecord, Retained, Seq, SnapshotRecord};
use faceshare_biz::domain::{SessionId, Timestamp};
use faceshare_biz::{Error, Result};
use sea_orm::sqlx::sqlite::SqliteRow;
use sea_orm::sqlx::{self, Row, SqliteConnection, SqlitePool};

const HEAD: &str = "SELECT epoch, epoch_start, idx, boot, base_seq FROM heads WHERE session = ?1";
const SNAPSHOT: &str = "SELECT idx, epoch, payload FROM snapshots WHERE session = ?1";
/// The entries after the snapshot (?2) with their payload, those of the last epoch (from ?3) without.
const TAIL: &str = "SELECT idx, epoch, last_seq, at, CASE WHEN idx > ?2 THEN payload END, length(payload)
    FROM entries WHERE session = ?1 AND idx >= min(?2 + 1, ?3) ORDER BY idx";
/// The entries with a last seq over ?4, which never falls within the epoch whose indices are ?2 to ?3: so the first one is found by
/// halving, and a client that missed little costs little, however long the log.
const AFTER_SEQ: &str = "WITH RECURSIVE search (low, high) AS (
        SELECT max(?2, (SELECT min(idx) FROM entries WHERE session = ?1)), ?3 + 1
        UNION ALL
        SELECT CASE WHEN m.last_seq > ?4 THEN low ELSE m.idx + 1 END, CASE WHEN m.last_seq > ?4 THEN m.idx ELSE high END
        FROM search JOIN entries AS m ON m.session = ?1 AND m.idx = (low + high) / 2 WHERE low < high)
    SELECT idx, epoch, last_seq, at, payload FROM entries
    WHERE session = ?1 AND idx >= (SELECT max(low) FROM search) ORDER BY idx LIMIT ?5";
/// The same in an epoch that is over. Nobody resumes there, so it may take its time.
const AFTER_SEQ_OF_OLD: &str = "SELECT idx, epoch, last_seq, at, payload FROM entries
    WHERE session = ?1 AND epoch = ?2 AND last_seq > ?3 ORDER BY idx LIMIT ?4";

/// The end of a log, as it is in the file.
struct StoredHead {
    epoch: String,
    epoch_start: i64,
    index: i64,
    boot: i64,
    base_seq: i64,
}

pub(super) async fn load(readers: &SqlitePool, session: SessionId, boot: Boot) -> Result<Option<Loaded>> {
    let mut view = readers.begin().await.map_err(from_sqlx)?;
    let Some(head) = head(&mut view, session).await? else { return Ok(None) };
    let id = session.get().cast_signed();
    let row = sqlx::query(SNAPSHOT).bind(id).fetch_optional(&mut *view).await.map_err(from_sqlx)?;
    let snapshot = row.map(|row| snapshot(&row)).transpose()?;
    let after = snapshot.as_ref().map_or(0, |s| s.index.cast_signed());
    let rows = sqlx::query(TAIL).bind(id).bind(after).bind(head.epoch_start).fetch_all(&mut *view).await.map_err(from_sqlx)?;

    let mut records = Vec::new();
    let mut retained = Vec::new();
    for row in &rows {
        let index: i64 = column(row, 0)?;
        if index > after {
            records.push(record(row)?);
        }
        if index >= head.epoch_start {
            retained.push(Retained {
                index: index.cast_unsigned(),
                last_seq: seq(row)?,
                at: Timestamp::from_millis(column(row, 3)?),
                size: u32::try_from(column::<i64>(row, 5)?).map_err(|_| unreadable("entries.payload"))?,
            });
        }
    }
    // The state can only be rebuilt from a snapshot and everything after it.
    let consecutive = records.iter().zip(after + 1..).all(|(record, index)| record.index.cast_signed() == index);
    if !consecutive || records.last().map_or(after, |last| last.index.cast_signed()) != head.index {
        return Err(Error::internal(format!("the log of session {session} has a hole")));
    }
    Ok(Some(Loaded { snapshot, records, retained, suspect: boot.suspects(head.boot) }))
}

pub(super) async fn read(readers: &SqlitePool, session: SessionId, epoch: &Epoch, after: Seq, limit: u32) -> Result<Vec<LogRecord>> {
    let mut view = readers.begin().await.map_err(from_sqlx)?;
    let Some(head) = head(&mut view, session).await? else { return Ok(Vec::new()) };
    let id = session.get().cast_signed();
    let after = i64::from(after.get());
    let query = if head.epoch == epoch.as_str() {
        if after < head.base_seq {
            return Err(Error::not_found());
        }
        sqlx::query(AFTER_SEQ).bind(id).bind(head.epoch_start).bind(head.index).bind(after).bind(limit)
    } else {
        sqlx::query(AFTER_SEQ_OF_OLD).bind(id).bind(epoch.as_str()).bind(after).bind(limit)
    };
    let rows = query.fetch_all(&mut *view).await.map_err(from_sqlx)?;
    rows.iter().map(record).collect()
}

pub(super) async fn sessions(readers: &SqlitePool) -> Result<Vec<SessionId>> {
    let ids: Vec<i64> = sqlx::query_scalar("SELECT session FROM heads ORDER BY session").fetch_all(readers).await.map_err(from_sqlx)?;
    ids.into_iter().map(|id| SessionId::new(id.cast_unsigned()).ok_or_else(|| unreadable("heads.session"))).collect()
}

async fn head(view: &mut SqliteConnection, session: SessionId) -> Result<Option<StoredHead>> {
    let row = sqlx::query(HEAD).bind(session.get().cast_signed()).fetch_optional(view).await.map_err(from_sqlx)?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(StoredHead {
        epoch: column(&row, 0)?,
        epoch_start: column(&row, 1)?,
        index: column(&row, 2)?,
        boot: column(&row, 3)?,
        base_seq: column(&row, 4)?,
    }))
}

fn snapshot(row: &SqliteRow) -> Result<SnapshotRecord> {
    Ok(SnapshotRecord {
        index: column::<i64>(row, 0)?.cast_unsigned(),
        epoch: Epoch::new(column(row, 1)?).ok_or_else(|| unreadable("snapshots.epoch"))?,
        payload: Bytes::from(column::<Vec<u8>>(row, 2)?),
    })
}

fn record(row: &SqliteRow) -> Result<LogRecord> {
    Ok(LogRecord {
        index: column::<i64>(row, 0)?.cast_unsigned(),
        epoch: Epoch::new(column(row, 1)?).ok_or_else(|| unreadable("entries.epoch"))?,
        last_seq: seq(row)?,
        at: Timestamp::from_millis(column(row, 3)?),
        payload: Bytes::from(column::<Vec<u8>>(row, 4)?),
    })
}

fn seq(row: &SqliteRow) -> Result<Seq> {
    u32::try_from(column::<i64>(row, 2)?).map(Seq::new).map_err(|_| unreadable("entries.last_seq"))
}

fn column<'r, T>(row: &'r SqliteRow, at: usize) -> Result<T>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(at).map_err(from_sqlx)
}
