//! Opening, migrating and closing the main database.

use super::migration::Migrator;
use crate::error::from_db;
use crate::sqlite::{self, Synchronous};
use faceshare_biz::{Error, Result};
use sea_orm::sqlx::{self, Connection, SqliteConnection};
use sea_orm::{ConnectOptions, DatabaseConnection, DatabaseTransaction, SqliteTransactionMode, TransactionOptions, TransactionTrait};
use sea_orm_migration::MigratorTrait;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a call waits for its turn before it fails as unavailable.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Reading connections: more than the cores that can use them would only hold memory.
const READERS: u32 = 4;

/// The main database. Cheap to clone: all clones share the same connections.
///
/// All writes of this process go through one connection, one after the other, so none of them ever fails because another one is under way;
/// reads have connections of their own and see the last commit.
#[derive(Debug, Clone)]
pub struct Database {
    writer: DatabaseConnection,
    readers: DatabaseConnection,
}

impl Database {
    /// Opens the SQLite file that `url` names (`sqlite://path`, `sqlite:path` or just a path), making it and its folder when they are missing.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` at `database.url` for another kind of database or none in a file; `UNAVAILABLE` when the file cannot be opened.
    pub async fn open(url: &str, synchronous: Synchronous) -> Result<Self> {
        let path = file_of(url)?;
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder).await.map_err(Error::unavailable)?;
        }
        let writer = connect(&path, synchronous, 1, false).await?;
        let readers = connect(&path, synchronous, READERS, true).await?;
        Ok(Self { writer, readers })
    }

    /// Brings the schema to this version. Does nothing when it is there already.
    ///
    /// # Errors
    /// `UNAVAILABLE` or `INTERNAL`; each step is applied as a whole or not at all.
    pub async fn migrate(&self) -> Result<()> {
        Migrator::up(&self.writer, None).await.map_err(from_db)
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// `UNAVAILABLE`: it does not.
    pub async fn ping(&self) -> Result<()> {
        self.readers.ping().await.map_err(Error::unavailable)
    }

    /// Waits for what is under way and closes the file. Later calls are `UNAVAILABLE`.
    ///
    /// # Errors
    /// `UNAVAILABLE`: a connection did not close well.
    pub async fn close(&self) -> Result<()> {
        self.readers.close_by_ref().await.map_err(Error::unavailable)?;
        self.writer.close_by_ref().await.map_err(Error::unavailable)
    }

    /// The same over connections to another kind of database, to hold the entities to all of them.
    #[cfg(test)]
    pub(crate) const fn over(writer: DatabaseConnection, readers: DatabaseConnection) -> Self {
        Self { writer, readers }
    }

    /// For statements that only read.
    pub(super) const fn reader(&self) -> &DatabaseConnection {
        &self.readers
    }

    /// For single statements that write; each is atomic by itself.
    pub(crate) const fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// For several statements: nobody else writes until it is committed or dropped; dropped, it leaves nothing.
    pub(super) async fn begin(&self) -> Result<DatabaseTransaction> {
        let immediate = TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..Default::default() };
        self.writer.begin_with_options(immediate).await.map_err(from_db)
    }
}

/// The file that a URL names.
fn file_of(url: &str) -> Result<PathBuf> {
    let refuse = |why: &str| Err(Error::invalid("database.url", why));
    let rest = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"));
    let path = match rest {
        Some(rest) => rest.split_once('?').map_or(rest, |(path, _)| path),
        None if url.contains("://") => return refuse("only SQLite (sqlite://path) is supported by this version"),
        None => url,
    };
    if path.is_empty() || path.contains(":memory:") {
        return refuse("names no file: a database in memory would forget everything");
    }
    Ok(PathBuf::from(path))
}

async fn connect(path: &Path, synchronous: Synchronous, connections: u32, read_only: bool) -> Result<DatabaseConnection> {
    let path = path.to_owned();
    let mut options = ConnectOptions::new("sqlite::memory:");
    options
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .sqlx_logging(false)
        // The path replaces the URL's: as a URL it would have to be escaped.
        .map_sqlx_sqlite_opts(move |base| {
            let file = sqlite::connection(base.filename(&path).in_memory(false).shared_cache(false).create_if_missing(true), synchronous);
            if read_only { sqlite::reading(file) } else { file }
        });
    if !read_only {
        options.map_sqlx_sqlite_pool_opts(|pool| pool.after_release(|connection, _| Box::pin(is_reusable(connection))));
    }
    sea_orm::Database::connect(options).await.map_err(Error::unavailable)
}

/// Whether a connection is out of its transaction. When the disk is full SQLite rolls back by itself, the driver does not notice, and takes
/// every later transaction for one within another, without its own mode: such a connection is closed and another takes its place.
async fn is_reusable(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if !connection.is_in_transaction() {
        return Ok(true);
    }
    // Answered after the rollback that a dropped transaction has asked for.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

#[cfg(test)]
mod tests {
    use super::{Database, file_of};
    use crate::error::from_db;
    use crate::sqlite::Synchronous;
    use faceshare_biz::ErrorCode;
    use sea_orm::ConnectionTrait;
    use sea_orm::sqlx::Connection;
    use std::path::Path;

    #[test]
    fn a_url_names_a_file_and_nothing_else() {
        for url in ["sqlite:///var/x.db?mode=rwc", "sqlite:/var/x.db", "/var/x.db"] {
            assert_eq!(file_of(url).expect(url), Path::new("/var/x.db"));
        }
        for bad in ["postgres://h/db", "mysql://h/db", "sqlite::memory:", "sqlite://", ""] {
            assert_eq!(file_of(bad).expect_err(bad).violations[0].path, "database.url");
        }
    }

    #[tokio::test]
    async fn migrating_twice_changes_nothing_and_a_closed_database_is_unavailable() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a folder that is missing/odd % name?.db");
        let db = Database::open(&path.display().to_string(), Synchronous::Full).await.expect("opened");
        db.migrate().await.expect("migrated");
        db.migrate().await.expect("migrated again");
        db.ping().await.expect("answers");
        assert!(path.exists());
        db.close().await.expect("closed");
        assert_eq!(db.ping().await.expect_err("closed").code, ErrorCode::Unavailable);
    }

    #[tokio::test]
    async fn after_a_full_disk_has_room_again_transactions_go_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let db = Database::open(&folder.path().join("x.db").display().to_string(), Synchronous::Normal).await.expect("opened");
        db.writer().execute_unprepared("CREATE TABLE t (a BLOB)").await.expect("created");
        db.writer().execute_unprepared("PRAGMA max_page_count = 10").await.expect("bounded");
        let fill = async || {
            let transaction = db.begin().await?;
            transaction.execute_unprepared("INSERT INTO t VALUES (zeroblob(100000))").await.map_err(from_db)?;
            transaction.commit().await.map_err(from_db)
        };
        assert_eq!(fill().await.expect_err("full").code, ErrorCode::Unavailable);
        db.writer().execute_unprepared("PRAGMA max_page_count = 1000").await.expect("room");
        fill().await.expect("goes on");
        let next = db.writer().get_sqlite_connection_pool().acquire().await.expect("a connection");
        assert!(!next.is_in_transaction(), "the next transaction begins as one");
    }

    #[tokio::test]
    async fn the_readers_cannot_write_and_the_pragmas_hold() {
        let folder = tempfile::tempdir().expect("a folder");
        let db = Database::open(&folder.path().join("x.db").display().to_string(), Synchronous::Normal).await.expect("opened");
        assert!(db.reader().execute_unprepared("CREATE TABLE t (a INTEGER)").await.is_err());
        let pool = db.writer().get_sqlite_connection_pool();
        let mode: String = sea_orm::sqlx::query_scalar("PRAGMA journal_mode").fetch_one(pool).await.expect("a mode");
        let keys: i64 = sea_orm::sqlx::query_scalar("PRAGMA foreign_keys").fetch_one(pool).await.expect("a flag");
        let sync: i64 = sea_orm::sqlx::query_scalar("PRAGMA synchronous").fetch_one(pool).await.expect("a level");
        assert_eq!((mode.as_str(), keys, sync), ("wal", 1, 1));
    }
}
