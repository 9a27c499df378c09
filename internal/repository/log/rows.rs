//! The writer's statements. Rows go in many at a time, in a few fixed numbers, so that every statement stays prepared.

use super::head::Head;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::{LogRecord, SnapshotRecord};
use sea_orm::sqlx::sqlite::SqliteArguments;
use sea_orm::sqlx::{self, Arguments, AssertSqlSafe, Row, SqliteConnection};
use std::sync::Arc;

/// Begins a transaction, by a plain statement: the driver's own bookkeeping does not notice that SQLite itself rolls back when the disk
/// is full, and would refuse to begin another one ever after.
pub(super) async fn begin(db: &mut SqliteConnection) -> Result<()> {
    sqlx::query("BEGIN IMMEDIATE").execute(db).await.map(drop)
}

/// Commits if what was done since [`begin`] went well. On an error, also of the commit, nothing of it stays.
pub(super) async fn end(db: &mut SqliteConnection, done: Result<()>) -> Result<()> {
    let outcome = match done {
        Ok(()) => sqlx::query("COMMIT").execute(&mut *db).await.map(drop),
        Err(error) => Err(error),
    };
    if outcome.is_err() {
        // Fails when SQLite has done so itself, and then there is nothing left to roll back.
        let _ = sqlx::query("ROLLBACK").execute(&mut *db).await;
    }
    outcome
}

/// Rows in one statement, largest first: any number of rows is a short sum of these.
const ROWS: [usize; 5] = [256, 64, 16, 4, 1];

const PUT_SNAPSHOT: &str = "INSERT INTO snapshots (session, epoch, idx, payload) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (session) DO UPDATE SET epoch = excluded.epoch, idx = excluded.idx, payload = excluded.payload WHERE excluded.idx > snapshots.idx";
const MOVE_BASE: &str = "UPDATE heads SET base_seq = e.last_seq FROM entries AS e
    WHERE heads.session = ?1 AND e.session = ?1 AND e.idx >= heads.epoch_start
    AND e.idx = min(?2, (SELECT idx FROM snapshots WHERE session = ?1))";
const TRIM: &str = "DELETE FROM entries WHERE session = ?1 AND idx <= min(?2, (SELECT idx FROM snapshots WHERE session = ?1))";

type Result<T, E = sqlx::Error> = std::result::Result<T, E>;

/// The texts of the statements with several rows.
#[derive(Debug)]
pub(super) struct Statements {
    entries: [Arc<str>; ROWS.len()],
    heads: [Arc<str>; ROWS.len()],
    find_heads: [Arc<str>; ROWS.len()],
}

impl Statements {
    pub(super) fn new() -> Self {
        let repeat = |text: &str, rows: usize| vec![text; rows].join(",");
        let sized = |before: &str, row: &str, after: &str| ROWS.map(|rows| Arc::from(format!("{before}{}{after}", repeat(row, rows))));
        Self {
            entries: sized("INSERT INTO entries (session, idx, epoch, last_seq, at, payload) VALUES ", "(?,?,?,?,?,?)", ""),
            heads: sized(
                "INSERT INTO heads (session, epoch, epoch_start, idx, boot) VALUES ",
                "(?,?,?,?,?)",
                " ON CONFLICT (session) DO UPDATE SET epoch = excluded.epoch, idx = excluded.idx, boot = excluded.boot,
                  base_seq = CASE WHEN epoch_start = excluded.epoch_start THEN base_seq ELSE 0 END, epoch_start = excluded.epoch_start",
            ),
            find_heads: sized("SELECT session, epoch, epoch_start, idx, boot FROM heads WHERE session IN (", "?", ")"),
        }
    }

    /// Adds entries.
    pub(super) async fn insert_entries(&self, db: &mut SqliteConnection, rows: &[(SessionId, &LogRecord)]) -> Result<()> {
        for (text, rows) in chunks(&self.entries, rows) {
            let mut values = SqliteArguments::default();
            values.reserve(rows.len() * 6, 0);
            for (session, record) in rows {
                put(&mut values, session.get().cast_signed())?;
                put(&mut values, record.index.cast_signed())?;
                put(&mut values, record.epoch.as_str())?;
                put(&mut values, i64::from(record.last_seq.get()))?;
                put(&mut values, record.at.as_millis())?;
                put(&mut values, &*record.payload)?;
            }
            sqlx::query_with(AssertSqlSafe(text), values).execute(&mut *db).await?;
        }
        Ok(())
    }

    /// Moves the ends of logs.
    pub(super) async fn put_heads(&self, db: &mut SqliteConnection, rows: &[(SessionId, Head)]) -> Result<()> {
        for (text, rows) in chunks(&self.heads, rows) {
            let mut values = SqliteArguments::default();
            values.reserve(rows.len() * 5, 0);
            for (session, head) in rows {
                put(&mut values, session.get().cast_signed())?;
                put(&mut values, Arc::clone(&head.epoch))?;
                put(&mut values, head.epoch_start.cast_signed())?;
                put(&mut values, head.index.cast_signed())?;
                put(&mut values, head.boot)?;
            }
            sqlx::query_with(AssertSqlSafe(text), values).execute(&mut *db).await?;
        }
        Ok(())
    }

    /// The ends of these logs, as far as there are such logs.
    pub(super) async fn find_heads(&self, db: &mut SqliteConnection, sessions: &[SessionId]) -> Result<Vec<(SessionId, Head)>> {
        let mut found = Vec::with_capacity(sessions.len());
        for (text, sessions) in chunks(&self.find_heads, sessions) {
            let mut values = SqliteArguments::default();
            for session in sessions {
                put(&mut values, session.get().cast_signed())?;
            }
            for row in sqlx::query_with(AssertSqlSafe(text), values).fetch_all(&mut *db).await? {
                let Some(session) = SessionId::new(row.try_get::<i64, _>(0)?.cast_unsigned()) else { continue };
                let head = Head {
                    epoch: Arc::from(row.try_get::<&str, _>(1)?),
                    epoch_start: row.try_get::<i64, _>(2)?.cast_unsigned(),
                    index: row.try_get::<i64, _>(3)?.cast_unsigned(),
                    boot: row.try_get(4)?,
                };
                found.push((session, head));
            }
        }
        Ok(found)
    }
}

/// Keeps a snapshot instead of the one before, unless that is as new.
pub(super) async fn put_snapshot(db: &mut SqliteConnection, session: SessionId, snapshot: &SnapshotRecord) -> Result<()> {
    let query = sqlx::query(PUT_SNAPSHOT).bind(session.get().cast_signed()).bind(snapshot.epoch.as_str());
    query.bind(snapshot.index.cast_signed()).bind(&*snapshot.payload).execute(db).await.map(drop)
}

/// Forgets entries up to this index, but none behind the kept snapshot.
pub(super) async fn trim(db: &mut SqliteConnection, session: SessionId, to: u64) -> Result<()> {
    let (session, to) = (session.get().cast_signed(), i64::try_from(to).unwrap_or(i64::MAX));
    for statement in [MOVE_BASE, TRIM] {
        sqlx::query(statement).bind(session).bind(to).execute(&mut *db).await?;
    }
    Ok(())
}

/// Forgets a log.
pub(super) async fn delete(db: &mut SqliteConnection, session: SessionId) -> Result<()> {
    for statement in
        ["DELETE FROM entries WHERE session = ?1", "DELETE FROM snapshots WHERE session = ?1", "DELETE FROM heads WHERE session = ?1"]
    {
        sqlx::query(statement).bind(session.get().cast_signed()).execute(&mut *db).await?;
    }
    Ok(())
}

fn put<'v, T>(values: &mut SqliteArguments, value: T) -> Result<()>
where
    T: sqlx::Encode<'v, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    values.add(value).map_err(sqlx::Error::Encode)
}

/// Cuts `rows` into the fixed numbers, each with its statement.
fn chunks<'r, T>(texts: &[Arc<str>; ROWS.len()], mut rows: &'r [T]) -> Vec<(Arc<str>, &'r [T])> {
    let mut cut = Vec::new();
    for (text, size) in texts.iter().zip(ROWS) {
        while let Some((chunk, rest)) = rows.split_at_checked(size) {
            cut.push((Arc::clone(text), chunk));
            rows = rest;
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::{Statements, chunks};

    #[test]
    fn every_number_of_rows_is_cut_without_loss() {
        let statements = Statements::new();
        for count in [0, 1, 3, 5, 63, 64, 65, 341, 700] {
            let rows: Vec<usize> = (0..count).collect();
            let cut = chunks(&statements.entries, &rows);
            assert!(cut.iter().all(|(text, rows)| text.matches("(?,").count() == rows.len()));
            assert_eq!(cut.into_iter().flat_map(|(_, rows)| rows.to_vec()).collect::<Vec<_>>(), rows);
        }
    }
}
