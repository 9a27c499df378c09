//! How this crate opens SQLite files.

use rusqlite::Connection;
use sea_orm::sqlx::ConnectOptions as _;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use std::time::Duration;

/// How long a statement waits while another process (a migration, a backup) has the file locked.
/// Within this process one connection writes at a time, so a statement waits for SQLite's lock only
/// while the dropped transaction of an earlier caller is rolled back.
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

/// The settings that every connection of this crate shares: write-ahead log, so that readers and
/// the writer do not wait for each other.
pub(crate) fn connection(
    options: SqliteConnectOptions,
    synchronous: Synchronous,
) -> SqliteConnectOptions {
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
pub(crate) fn prepare_for_writing(
    connection: &Connection,
    synchronous: Synchronous,
) -> rusqlite::Result<()> {
    let level = match synchronous {
        Synchronous::Normal => "NORMAL",
        Synchronous::Full => "FULL",
    };
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Returns a row with the mode, which `pragma_update` refuses.
    connection.query_one("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", level)?;
    connection.pragma_update(None, "foreign_keys", true)
}

/// Runs `work` in one transaction. On an error, also of the commit, it is rolled back.
pub(crate) fn in_transaction<T>(
    db: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
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

/// Makes a connection refuse every statement that writes.
pub(crate) fn reading(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options.create_if_missing(false).pragma("query_only", "ON")
}
