//! The writer's statements. Each is prepared once and runs for one row at a time: within a
//! transaction a row costs little more than binding its values, and nothing is copied.

use super::head::Head;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::{LogRecord, SnapshotRecord};
use rusqlite::{Connection, OptionalExtension as _, Result};
use std::sync::Arc;

const INSERT_ENTRY: &str = "INSERT INTO entries (session, idx, epoch, last_seq, at, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const PUT_HEAD: &str = "INSERT INTO heads (session, epoch, epoch_start, idx, boot) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (session) DO UPDATE SET epoch = excluded.epoch, idx = excluded.idx, boot = excluded.boot,
    base_seq = CASE WHEN epoch_start = excluded.epoch_start THEN base_seq ELSE 0 END, epoch_start = excluded.epoch_start";
const FIND_HEAD: &str = "SELECT epoch, epoch_start, idx, boot FROM heads WHERE session = ?1";
const PUT_SNAPSHOT: &str = "INSERT INTO snapshots (session, epoch, idx, payload) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (session) DO UPDATE SET epoch = excluded.epoch, idx = excluded.idx, payload = excluded.payload WHERE excluded.idx > snapshots.idx";
const MOVE_BASE: &str = "UPDATE heads SET base_seq = e.last_seq FROM entries AS e
    WHERE heads.session = ?1 AND e.session = ?1 AND e.idx >= heads.epoch_start
    AND e.idx = min(?2, (SELECT idx FROM snapshots WHERE session = ?1))";
const TRIM: &str = "DELETE FROM entries WHERE session = ?1 AND idx <= min(?2, (SELECT idx FROM snapshots WHERE session = ?1))";
const DELETE: [&str; 3] = [
    "DELETE FROM entries WHERE session = ?1",
    "DELETE FROM snapshots WHERE session = ?1",
    "DELETE FROM heads WHERE session = ?1",
];

/// Capacity of the cache of prepared statements: all of the above, and room for more.
pub(super) const STATEMENT_CACHE: usize = 32;

pub(super) fn insert_entries(
    db: &Connection,
    session: SessionId,
    records: &[LogRecord],
) -> Result<()> {
    let (mut insert, session) = (
        db.prepare_cached(INSERT_ENTRY)?,
        session.get().cast_signed(),
    );
    for record in records {
        let (index, last_seq) = (record.index.cast_signed(), record.last_seq.get());
        insert.execute((
            session,
            index,
            record.epoch.as_str(),
            last_seq,
            record.at.as_millis(),
            &*record.payload,
        ))?;
    }
    Ok(())
}

/// Stores the end of a log.
pub(super) fn put_head(db: &Connection, session: SessionId, head: &Head) -> Result<()> {
    let (start, index) = (head.epoch_start.cast_signed(), head.index.cast_signed());
    db.prepare_cached(PUT_HEAD)?
        .execute((
            session.get().cast_signed(),
            &*head.epoch,
            start,
            index,
            head.boot,
        ))
        .map(drop)
}

/// The end of a log; `None` if there is no such log.
pub(super) fn find_head(db: &Connection, session: SessionId) -> Result<Option<Head>> {
    let found = db
        .prepare_cached(FIND_HEAD)?
        .query_one([session.get().cast_signed()], |row| {
            Ok(Head {
                epoch: row.get::<_, Arc<str>>(0)?,
                epoch_start: row.get::<_, i64>(1)?.cast_unsigned(),
                index: row.get::<_, i64>(2)?.cast_unsigned(),
                boot: row.get(3)?,
            })
        });
    found.optional()
}

/// Replaces the stored snapshot, unless that one is as new.
pub(super) fn put_snapshot(
    db: &Connection,
    session: SessionId,
    snapshot: &SnapshotRecord,
) -> Result<()> {
    let row = (
        session.get().cast_signed(),
        snapshot.epoch.as_str(),
        snapshot.index.cast_signed(),
        &*snapshot.payload,
    );
    db.prepare_cached(PUT_SNAPSHOT)?.execute(row).map(drop)
}

/// Deletes entries up to this index, but none after the stored snapshot.
pub(super) fn trim(db: &Connection, session: SessionId, to: u64) -> Result<()> {
    let row = (
        session.get().cast_signed(),
        i64::try_from(to).unwrap_or(i64::MAX),
    );
    for statement in [MOVE_BASE, TRIM] {
        db.prepare_cached(statement)?.execute(row)?;
    }
    Ok(())
}

/// Deletes a log.
pub(super) fn delete(db: &Connection, session: SessionId) -> Result<()> {
    for statement in DELETE {
        db.prepare_cached(statement)?
            .execute([session.get().cast_signed()])?;
    }
    Ok(())
}
