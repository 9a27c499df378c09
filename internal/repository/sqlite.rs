//! How this crate opens SQLite files.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags, ToSql};
use sea_orm::Statement;
use sea_orm::sea_query::Value;
use sea_orm::sqlx::ConnectOptions as _;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use std::path::Path;
use std::time::Duration;

/// How long a statement waits for another process (a migration, a backup) to let go of the file. Within this process one writes at a time:
/// nobody waits for SQLite's lock, but for a transaction that its caller has left and that is still being taken back.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// The death of the process. A power cut may take the last writes, never the file's integrity.
    #[default]
    Normal,
    /// A power cut as well: every commit waits for the disk.
    Full,
}

/// The settings that every connection of this crate shares: write-ahead log, so that readers and the writer do not wait for each other.
pub(crate) fn connection(options: SqliteConnectOptions, synchronous: Synchronous) -> SqliteConnectOptions {
    let level = match synchronous {
        Synchronous::Normal => SqliteSynchronous::Normal,
        Synchronous::Full => SqliteSynchronous::Full,
    };
    options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(level)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .disable_statement_logging()
}

/// The same settings, for a connection that is used without a pool.
pub(crate) fn prepare_for_writing(connection: &Connection, synchronous: Synchronous) -> rusqlite::Result<()> {
    let level = match synchronous {
        Synchronous::Normal => "NORMAL",
        Synchronous::Full => "FULL",
    };
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Answers with the mode, which an update would take for a mistake.
    connection.query_one("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", level)?;
    connection.pragma_update(None, "foreign_keys", true)
}

/// A connection without a pool that reads a file which is there.
pub(crate) fn open_for_reading(file: &Path) -> rusqlite::Result<Connection> {
    // Not read-only: the first to open a write-ahead log may have to recover it.
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Does all of it in one transaction, or none of it. On an error, also of the commit, nothing of it stays.
pub(crate) fn together<T>(db: &Connection, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    run(db, "BEGIN IMMEDIATE")?;
    let outcome = work(db).and_then(|done| run(db, "COMMIT").map(|()| done));
    // When the disk is full SQLite has rolled back by itself.
    if outcome.is_err() && !db.is_autocommit() {
        run(db, "ROLLBACK")?;
    }
    outcome
}

fn run(db: &Connection, statement: &str) -> rusqlite::Result<()> {
    db.prepare_cached(statement)?.execute([]).map(drop)
}

/// A statement of the ORM's, prepared once and with its values.
pub(crate) fn prepared<'a>(db: &'a Connection, statement: &Statement) -> rusqlite::Result<CachedStatement<'a>> {
    let mut prepared = db.prepare_cached(&statement.sql)?;
    for (place, value) in (1..).zip(statement.values.iter().flat_map(|values| &values.0)) {
        prepared.raw_bind_parameter::<usize, _>(place, Bound(value))?;
    }
    Ok(prepared)
}

/// A value of the ORM's, as SQLite keeps it.
struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self.0 {
            Value::Bool(value) => value.map(|flag| ValueRef::Integer(flag.into())),
            Value::Int(value) => value.map(|number| ValueRef::Integer(number.into())),
            Value::BigInt(value) => value.map(ValueRef::Integer),
            // How the ORM gives limits and offsets.
            Value::BigUnsigned(value) => value.map(|number| i64::try_from(number).map(ValueRef::Integer)).transpose().map_err(unfit)?,
            Value::String(value) => value.as_deref().map(|text| ValueRef::Text(text.as_bytes())),
            Value::Bytes(value) => value.as_deref().map(ValueRef::Blob),
            other => return Err(unfit(format!("a value of {:?} is not for this database", other.array_type()))),
        };
        Ok(ToSqlOutput::Borrowed(value.unwrap_or(ValueRef::Null)))
    }
}

fn unfit(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(why.into())
}

/// Makes a connection refuse to write, whatever it is told.
pub(crate) fn reading(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options.create_if_missing(false).pragma("query_only", "ON")
}
