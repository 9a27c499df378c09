//! Reads logs, each time from one consistent state of the file, followed by the entries that were
//! pending just before.

use super::pending::{Pending, PendingPart};
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
/// The entries after the snapshot (?2) with their payload, those of the last epoch (from ?3)
/// without it.
const TAIL: &str =
    "SELECT idx, epoch, last_seq, at, CASE WHEN idx > ?2 THEN payload END, length(payload)
    FROM entries WHERE session = ?1 AND idx >= min(?2 + 1, ?3) ORDER BY idx";
/// The entries with a last seq over ?4. Within the epoch with the indices ?2 to ?3 the last seq
/// never falls, so a binary search finds the first one. A client that missed little costs little,
/// however long the log is.
const AFTER_SEQ: &str = "WITH RECURSIVE search (low, high) AS (
        SELECT max(?2, (SELECT min(idx) FROM entries WHERE session = ?1)), ?3 + 1
        UNION ALL
        SELECT CASE WHEN m.last_seq > ?4 THEN low ELSE m.idx + 1 END, CASE WHEN m.last_seq > ?4 THEN m.idx ELSE high END
        FROM search JOIN entries AS m ON m.session = ?1 AND m.idx = (low + high) / 2 WHERE low < high)
    SELECT idx, epoch, last_seq, at, payload FROM entries
    WHERE session = ?1 AND idx >= (SELECT max(low) FROM search) ORDER BY idx LIMIT ?5";
/// The same for an epoch that has ended. No client resumes there, so the query may be slow.
const AFTER_SEQ_OF_OLD: &str = "SELECT idx, epoch, last_seq, at, payload FROM entries
    WHERE session = ?1 AND epoch = ?2 AND last_seq > ?3 ORDER BY idx LIMIT ?4";

/// The end of a log, as the file has it.
struct StoredHead {
    epoch: String,
    epoch_start: i64,
    index: i64,
    boot: i64,
    base_seq: i64,
}

impl StoredHead {
    /// The pending entries that follow on the merged ones. Empty if they were merged or the log was
    /// deleted since they were read.
    fn following(&self, mut pending: PendingPart) -> PendingPart {
        pending.records.retain(|record| {
            record.index.cast_signed() > self.index && record.epoch.as_str() == self.epoch
        });
        if pending.records.is_empty() {
            PendingPart::default()
        } else {
            pending
        }
    }
}

pub(super) async fn load(
    readers: &SqlitePool,
    pending: &Pending,
    session: SessionId,
    boot: Boot,
) -> Result<Option<Loaded>> {
    let pending = pending.of(session);
    let mut transaction = readers.begin().await.map_err(from_sqlx)?;
    let Some(head) = head(&mut transaction, session).await? else {
        return Ok(None);
    };
    let id = session.get().cast_signed();
    let pending = head.following(pending);
    let row = sqlx::query(SNAPSHOT)
        .bind(id)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(from_sqlx)?;
    let stored = row.map(|row| snapshot(&row)).transpose()?;
    let snapshot = [stored, pending.snapshot]
        .into_iter()
        .flatten()
        .max_by_key(|snapshot| snapshot.index);
    let after = snapshot.as_ref().map_or(0, |s| s.index.cast_signed());
    let rows = sqlx::query(TAIL)
        .bind(id)
        .bind(after)
        .bind(head.epoch_start)
        .fetch_all(&mut *transaction)
        .await
        .map_err(from_sqlx)?;

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
                size: u32::try_from(column::<i64>(row, 5)?)
                    .map_err(|_| unreadable("entries.payload"))?,
            });
        }
    }
    let last = pending
        .records
        .last()
        .map_or(head.index, |record| record.index.cast_signed());
    let trimmed_to = pending.trim_to.unwrap_or(0).min(after.cast_unsigned());
    retained.extend(pending.records.iter().map(retain));
    retained.retain(|entry| entry.index > trimmed_to);
    records.extend(
        pending
            .records
            .into_iter()
            .filter(|record| record.index.cast_signed() > after),
    );
    // The state can only be rebuilt from a snapshot and all entries after it.
    let consecutive = records
        .iter()
        .zip(after + 1..)
        .all(|(record, index)| record.index.cast_signed() == index);
    if !consecutive
        || records
            .last()
            .map_or(after, |record| record.index.cast_signed())
            != last
    {
        return Err(Error::internal(format!(
            "the log of session {session} has a hole"
        )));
    }
    Ok(Some(Loaded {
        snapshot,
        records,
        retained,
        suspect: boot.suspects(head.boot),
    }))
}

pub(super) async fn read(
    readers: &SqlitePool,
    pending: &Pending,
    session: SessionId,
    epoch: &Epoch,
    after: Seq,
    limit: u32,
) -> Result<Vec<LogRecord>> {
    let pending = pending.of(session);
    let mut transaction = readers.begin().await.map_err(from_sqlx)?;
    let Some(head) = head(&mut transaction, session).await? else {
        return Ok(Vec::new());
    };
    let id = session.get().cast_signed();
    let after_seq = i64::from(after.get());
    let query = if head.epoch == epoch.as_str() {
        if after_seq < head.base_seq {
            return Err(Error::not_found());
        }
        sqlx::query(AFTER_SEQ)
            .bind(id)
            .bind(head.epoch_start)
            .bind(head.index)
            .bind(after_seq)
            .bind(limit)
    } else {
        sqlx::query(AFTER_SEQ_OF_OLD)
            .bind(id)
            .bind(epoch.as_str())
            .bind(after_seq)
            .bind(limit)
    };
    let rows = query
        .fetch_all(&mut *transaction)
        .await
        .map_err(from_sqlx)?;
    let mut records: Vec<_> = rows.iter().map(record).collect::<Result<_>>()?;
    let after_position = |record: &LogRecord| record.epoch == *epoch && record.last_seq > after;
    let capacity = usize::try_from(limit)
        .unwrap_or(usize::MAX)
        .saturating_sub(records.len());
    records.extend(
        head.following(pending)
            .records
            .into_iter()
            .filter(after_position)
            .take(capacity),
    );
    Ok(records)
}

pub(super) async fn sessions(readers: &SqlitePool) -> Result<Vec<SessionId>> {
    let ids: Vec<i64> = sqlx::query_scalar("SELECT session FROM heads ORDER BY session")
        .fetch_all(readers)
        .await
        .map_err(from_sqlx)?;
    ids.into_iter()
        .map(|id| SessionId::new(id.cast_unsigned()).ok_or_else(|| unreadable("heads.session")))
        .collect()
}

async fn head(
    transaction: &mut SqliteConnection,
    session: SessionId,
) -> Result<Option<StoredHead>> {
    let row = sqlx::query(HEAD)
        .bind(session.get().cast_signed())
        .fetch_optional(transaction)
        .await
        .map_err(from_sqlx)?;
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

fn retain(record: &LogRecord) -> Retained {
    let size = u32::try_from(record.payload.len()).unwrap_or(u32::MAX);
    Retained {
        index: record.index,
        last_seq: record.last_seq,
        at: record.at,
        size,
    }
}

fn seq(row: &SqliteRow) -> Result<Seq> {
    u32::try_from(column::<i64>(row, 2)?)
        .map(Seq::new)
        .map_err(|_| unreadable("entries.last_seq"))
}

fn column<'r, T>(row: &'r SqliteRow, at: usize) -> Result<T>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(at).map_err(from_sqlx)
}
