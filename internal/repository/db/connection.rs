//! Opening, migrating and closing the main database.

use super::lookup::{Found, Lookups};
use super::migration::Migrator;
use super::single::{self, Singles};
use crate::error::{from_db, from_insert, from_rusqlite, from_rusqlite_insert};
use crate::sqlite::{self, Synchronous};
use faceshare_biz::{Error, Result};
use sea_orm::sqlx::{self, Connection, SqliteConnection};
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, EntityTrait, QueryTrait, Select,
    SqliteTransactionMode, StatementBuilder, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;

/// How long a call, or a group of calls, waits for its turn before it fails as unavailable.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Reading connections: more than the cores that can use them would only hold memory.
const READERS: u32 = 4;

/// The main database. Cheap to clone: all clones share the same connections.
///
/// All writes of this process come one after the other, so none of them ever fails because another one is under way: a transaction of
/// several statements, or a group of single ones. Reads have connections of their own and see the last commit.
#[derive(Debug, Clone)]
pub struct Database {
    writer: DatabaseConnection,
    readers: DatabaseConnection,
    /// Past the drivers' threads; `None`: another kind of database, where everything is a call to a server.
    direct: Option<Direct>,
    /// Whoever holds it writes.
    pen: Arc<Mutex<()>>,
}

/// The SQLite connections that no driver keeps.
#[derive(Debug, Clone)]
struct Direct {
    lookups: Lookups,
    singles: Singles,
}

/// Several statements, during which nobody else writes: until it is committed or taken back. Dropped, it leaves nothing either, but the
/// driver takes it back a moment later, for which the next one to write then waits.
pub(super) struct Transaction {
    inner: DatabaseTransaction,
    _pen: OwnedMutexGuard<()>,
}

impl Transaction {
    /// Makes all of it last.
    pub(super) async fn commit(self) -> Result<()> {
        self.inner.commit().await.map_err(from_db)
    }

    /// Leaves nothing of it.
    pub(super) async fn rollback(self) -> Result<()> {
        self.inner.rollback().await.map_err(from_db)
    }
}

impl Deref for Transaction {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.inner
    }
}

impl Database {
    /// Opens the SQLite file that `url` names (`sqlite://path`, `sqlite:path` or just a path), making it and its folder when they are missing.
    /// Must be called within a tokio runtime.
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
        let pen = Arc::new(Mutex::new(()));
        let (file, turns) = (path, Arc::clone(&pen));
        let opening = tokio::task::spawn_blocking(move || Ok((Lookups::open(&file)?, single::open(&file, synchronous)?)));
        let (lookups, connection) = opening.await.map_err(Error::internal)?.map_err(|error: rusqlite::Error| from_rusqlite(error))?;
        let direct = Direct { singles: Singles::over(connection, turns), lookups };
        Ok(Self { writer, readers, direct: Some(direct), pen })
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
        if self.direct.as_ref().is_some_and(|direct| direct.singles.is_closed()) {
            return Err(Error::unavailable("nobody writes to the main database any more"));
        }
        self.readers.ping().await.map_err(Error::unavailable)
    }

    /// Waits for what is under way and closes the file. Later calls are `UNAVAILABLE`.
    ///
    /// # Errors
    /// `UNAVAILABLE`: a connection did not close well.
    pub async fn close(&self) -> Result<()> {
        if let Some(direct) = &self.direct {
            direct.lookups.close();
            direct.singles.close().await;
        }
        self.readers.close_by_ref().await.map_err(Error::unavailable)?;
        self.writer.close_by_ref().await.map_err(Error::unavailable)
    }

    /// The same over connections to another kind of database, to hold the entities to all of them.
    #[cfg(test)]
    pub(crate) fn over(writer: DatabaseConnection, readers: DatabaseConnection) -> Self {
        Self { writer, readers, direct: None, pen: Arc::default() }
    }

    /// For statements that only read.
    pub(super) const fn reader(&self) -> &DatabaseConnection {
        &self.readers
    }

    /// What is found by a key, read where it is asked for.
    pub(super) async fn look_up<E: EntityTrait<Model: Found>>(&self, query: Select<E>) -> Result<Vec<E::Model>> {
        match &self.direct {
            Some(direct) => direct.lookups.find(&DbBackend::Sqlite.build(query.as_query())),
            None => query.all(&self.readers).await.map_err(from_db),
        }
    }

    /// The connection that transactions use.
    #[cfg(test)]
    pub(crate) const fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Carries out a single statement that writes, atomic by itself: how many rows it has changed.
    pub(super) async fn write(&self, statement: &impl StatementBuilder) -> Result<u64> {
        match &self.direct {
            Some(direct) => direct.singles.write(statement.build(&DbBackend::Sqlite)).await?.map_err(from_rusqlite),
            None => self.writer.execute(statement).await.map(|done| done.rows_affected()).map_err(from_db),
        }
    }

    /// The same, where a unique thing that is there already is the caller's affair: `taken` is what it is told.
    pub(super) async fn insert(&self, statement: &impl StatementBuilder, taken: &'static str) -> Result<u64> {
        match &self.direct {
            Some(direct) => {
                direct.singles.write(statement.build(&DbBackend::Sqlite)).await?.map_err(|error| from_rusqlite_insert(error, taken))
            }
            None => self.writer.execute(statement).await.map(|done| done.rows_affected()).map_err(|error| from_insert(error, taken)),
        }
    }

    /// For several statements: nobody else writes until it is committed or dropped.
    pub(super) async fn begin(&self) -> Result<Transaction> {
        let pen = timeout(ACQUIRE_TIMEOUT, Arc::clone(&self.pen).lock_owned()).await.map_err(Error::unavailable)?;
        let immediate = TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..Default::default() };
        let inner = self.writer.begin_with_options(immediate).await.map_err(from_db)?;
        Ok(Transaction { inner, _pen: pen })
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
    async fn a_database_that_nobody_writes_to_any_more_does_not_answer_as_if_it_were_well() {
        let folder = tempfile::tempdir().expect("a folder");
        let db = Database::open(&folder.path().join("x.db").display().to_string(), Synchronous::Normal).await.expect("opened");
        db.ping().await.expect("well");
        db.direct.as_ref().expect("SQLite").singles.close().await;
        assert_eq!(db.ping().await.expect_err("nobody writes").code, ErrorCode::Unavailable);
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
            transaction.commit().await
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
