//! Opening, migrating and closing the main database.

use super::address::Address;
use super::event::{EventSignals, EventTransaction};
use super::migration::{self, Migrator};
use super::retry::retrying;
use crate::error::{from_db, from_sqlx, or_taken};
use crate::sqlite::{self, Synchronous};
use faceshare_biz::{Error, Result};
use sea_orm::sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPoolOptions};
use sea_orm::sqlx::pool::PoolConnectionMetadata;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sea_orm::sqlx::{self, ConnectOptions, Connection, Executor, SqliteConnection};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode,
    SqlxMySqlConnector, SqlxPostgresConnector, SqlxSqliteConnector, StatementBuilder,
    TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a call waits for a connection of the pool before it fails as `UNAVAILABLE`, and how
/// long connecting to a server may take.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// SQLite's reading connections: more than the cores that can use them would only hold memory.
const READERS: u32 = 4;
/// A connection to a server that was idle for longer is pinged before it is used.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// Each statement of a transaction sees what others have committed before it: the repositories lock
/// a row and then read. A statement waits for another session's lock for 5 s at most.
const POSTGRES_SESSION: &str = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED; SET lock_timeout = '5s'";
/// The same for MySQL and MariaDB.
const MYSQL_SESSION: [&str; 2] = [
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION innodb_lock_wait_timeout = 5",
];

/// How to open the main database.
#[derive(Debug, Clone, Copy)]
pub struct DatabaseSettings {
    /// What an acknowledged write survives on SQLite; servers have settings of their own.
    pub synchronous: Synchronous,
    /// Connections to a server at most, within [`MAX_CONNECTIONS`]. SQLite has one that writes and
    /// four that read.
    pub max_connections: u32,
}

/// What [`DatabaseSettings::max_connections`] may be: a migration needs two.
pub const MAX_CONNECTIONS: RangeInclusive<u32> = 2..=256;

/// The main database. Cheap to clone: all clones share the same connections.
///
/// On SQLite all writes of this process go through one connection, one after the other, so none of
/// them ever fails because another one is under way; reads have connections of their own and see
/// the last commit. On a server both share one pool, and what loses against another transaction is
/// repeated.
#[derive(Debug, Clone)]
pub struct Database {
    writer: DatabaseConnection,
    reader: DatabaseConnection,
    address: Address,
    event_signals: Arc<EventSignals>,
}

impl Database {
    /// Opens the database that `url` names: a SQLite file, which is made with its folder when it is
    /// missing, or a database on a PostgreSQL, MySQL or MariaDB server, which must be there.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` at `database.url`; `UNAVAILABLE`, with a cause that names the host and
    /// the database, when it cannot be reached.
    pub async fn open(url: &str, settings: DatabaseSettings) -> Result<Self> {
        let address = Address::parse(url).map_err(|why| Error::invalid("database.url", why))?;
        let connections = settings
            .max_connections
            .clamp(*MAX_CONNECTIONS.start(), *MAX_CONNECTIONS.end());
        let (writer, reader) = match &address {
            Address::Sqlite(file) => {
                if let Some(folder) = file.parent() {
                    tokio::fs::create_dir_all(folder)
                        .await
                        .map_err(Error::unavailable)?;
                }
                let opened = open_sqlite(file, settings.synchronous).await;
                opened.map_err(|cause| {
                    Error::unavailable(format!(
                        "cannot open the database {}: {cause}",
                        address.describe()
                    ))
                })?
            }
            Address::Postgres(options) => {
                reach(options, &address).await?;
                both(open_postgres(options, connections))
            }
            Address::MySql(options) => {
                reach(options, &address).await?;
                both(open_mysql(options, connections))
            }
        };
        Ok(Self {
            writer,
            reader,
            address,
            event_signals: Arc::default(),
        })
    }

    /// Checks a `database.url` without opening it.
    ///
    /// # Errors
    /// What is wrong, without any part of the URL that could be secret.
    pub fn check_url(url: &str) -> Result<(), String> {
        Address::parse(url).map(drop)
    }

    /// Brings the schema to this version; does nothing if it is. Of several processes at once one
    /// migrates and the others wait.
    ///
    /// # Errors
    /// `UNAVAILABLE` or `INTERNAL`; each step is applied as a whole or not at all, where the
    /// database can do that.
    pub async fn migrate(&self) -> Result<()> {
        self.migrate_by(None).await
    }

    /// Applies this many of the steps that are missing; `None`: all.
    pub(crate) async fn migrate_by(&self, steps: Option<u32>) -> Result<()> {
        match &self.address {
            Address::Sqlite(_) => {
                let transaction = self.begin().await.map_err(from_db)?;
                Migrator::up(&transaction, steps).await.map_err(from_db)?;
                transaction.commit().await.map_err(from_db)
            }
            Address::Postgres(options) => {
                let lock = migration::lock_postgres(options).await?;
                Migrator::up(&self.writer, steps).await.map_err(from_db)?;
                lock.close().await.map_err(from_sqlx)
            }
            Address::MySql(options) => {
                let lock = migration::lock_mysql(options).await?;
                Migrator::up(&self.writer, steps).await.map_err(from_db)?;
                lock.close().await.map_err(from_sqlx)
            }
        }
    }

    /// Opens the same database as another process does, with connections of its own. On SQLite one
    /// process owns the file, so there it is this opening.
    #[cfg(test)]
    pub(crate) fn of_another_process(&self) -> Self {
        let connections = *MAX_CONNECTIONS.start();
        let (writer, reader) = match &self.address {
            Address::Sqlite(_) => return self.clone(),
            Address::Postgres(options) => both(open_postgres(options, connections)),
            Address::MySql(options) => both(open_mysql(options, connections)),
        };
        Self {
            writer,
            reader,
            address: self.address.clone(),
            event_signals: Arc::default(),
        }
    }

    /// Closes the connections of [`of_another_process`](Self::of_another_process), as the death of
    /// that process does.
    #[cfg(test)]
    pub(crate) async fn kill(&self) {
        if !matches!(self.address, Address::Sqlite(_)) {
            self.close().await.expect("closed");
        }
    }

    /// Deletes the record of the newest step, as if the process had died before it was written.
    #[cfg(test)]
    pub(crate) async fn forget_newest_step(&self) {
        let newest = "DELETE FROM seaql_migrations ORDER BY version DESC LIMIT 1";
        let newest = match self.address {
            Address::MySql(_) => newest,
            _ => {
                "DELETE FROM seaql_migrations WHERE version = (SELECT MAX(version) FROM seaql_migrations)"
            }
        };
        self.writer
            .execute_unprepared(newest)
            .await
            .expect("deleted");
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// `UNAVAILABLE`: it does not.
    pub async fn ping(&self) -> Result<()> {
        self.reader.ping().await.map_err(Error::unavailable)
    }

    /// Waits for what is under way and closes all connections. Later calls are `UNAVAILABLE`.
    ///
    /// # Errors
    /// `UNAVAILABLE`: a connection did not close well.
    pub async fn close(&self) -> Result<()> {
        self.reader
            .close_by_ref()
            .await
            .map_err(Error::unavailable)?;
        self.writer.close_by_ref().await.map_err(Error::unavailable)
    }

    /// For statements that only read.
    pub(crate) const fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// The connections that write.
    pub(crate) const fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Runs one statement that writes, atomic by itself. Returns the number of changed rows.
    pub(super) async fn write(&self, statement: &impl StatementBuilder) -> Result<u64> {
        retrying(|| async { Ok(self.writer.execute(statement).await?.rows_affected()) }).await
    }

    /// Like [`write`](Self::write), but a violated unique constraint is `ALREADY_EXISTS` with the
    /// detail `taken`.
    pub(super) async fn insert(
        &self,
        statement: &impl StatementBuilder,
        taken: &'static str,
    ) -> Result<u64> {
        let attempt = || async {
            let done = self
                .writer
                .execute(statement)
                .await
                .map_err(|error| or_taken(error, taken))?;
            Ok(done.rows_affected())
        };
        retrying(attempt).await
    }

    /// Begins a transaction, on SQLite with the write lock. It is rolled back when it is dropped.
    /// Call it within [`retrying`].
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let immediate = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        self.writer.begin_with_options(immediate).await
    }

    /// Begins a transaction that can write events. Call it within [`retrying`].
    pub(crate) async fn begin_with_events(&self) -> Result<EventTransaction, DbErr> {
        Ok(EventTransaction::new(self.begin().await?, self.clone()))
    }

    /// Wakes what waits for events in this process.
    pub(super) fn event_signals(&self) -> &EventSignals {
        &self.event_signals
    }
}

fn both(connections: DatabaseConnection) -> (DatabaseConnection, DatabaseConnection) {
    (connections.clone(), connections)
}

/// Connects once, so that the start fails with the cause: a pool would try again and report only a
/// timeout.
async fn reach<O: ConnectOptions<Connection: Sized>>(options: &O, address: &Address) -> Result<()> {
    let attempt = async {
        let connection = timeout(ACQUIRE_TIMEOUT, options.connect())
            .await
            .map_err(|_| format!("no answer within {ACQUIRE_TIMEOUT:?}"))?;
        connection
            .map_err(|cause| cause.to_string())?
            .close()
            .await
            .map_err(|cause| cause.to_string())
    };
    let cannot =
        |cause| Error::unavailable(format!("cannot reach {}: {cause}", address.describe()));
    attempt.await.map_err(cannot)
}

fn open_postgres(options: &PgConnectOptions, connections: u32) -> DatabaseConnection {
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection: &mut PgConnection, meta| Box::pin(is_alive(connection, meta)))
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(POSTGRES_SESSION).await?;
                Ok(())
            })
        })
        .connect_lazy_with(options.clone().disable_statement_logging());
    SqlxPostgresConnector::from_sqlx_postgres_pool(pool)
}

fn open_mysql(options: &MySqlConnectOptions, connections: u32) -> DatabaseConnection {
    let pool = MySqlPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection: &mut MySqlConnection, meta| {
            Box::pin(is_alive(connection, meta))
        })
        .after_connect(|connection, _| {
            Box::pin(async move {
                for statement in MYSQL_SESSION {
                    connection.execute(statement).await?;
                }
                Ok(())
            })
        })
        .connect_lazy_with(options.clone().disable_statement_logging());
    SqlxMySqlConnector::from_sqlx_mysql_pool(pool)
}

/// Whether a pooled connection can be used. The pool replaces one that the server or a firewall has
/// closed.
async fn is_alive<C: Connection>(
    connection: &mut C,
    meta: PoolConnectionMetadata,
) -> Result<bool, sqlx::Error> {
    Ok(meta.idle_for < TRUSTED_FOR || connection.ping().await.is_ok())
}

/// The connection that writes, and those that read.
async fn open_sqlite(
    file: &Path,
    synchronous: Synchronous,
) -> Result<(DatabaseConnection, DatabaseConnection), sqlx::Error> {
    let options = sqlite::connection(
        SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true),
        synchronous,
    );
    let pool = || {
        SqlitePoolOptions::new()
            .min_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
    };
    let writer = pool()
        .max_connections(1)
        .test_before_acquire(false)
        .after_release(|connection, _| Box::pin(is_reusable(connection)));
    let writer = writer.connect_with(options.clone()).await?;
    let reader = pool()
        .max_connections(READERS)
        .test_before_acquire(false)
        .connect_with(sqlite::reading(options))
        .await?;
    Ok((
        SqlxSqliteConnector::from_sqlx_sqlite_pool(writer),
        SqlxSqliteConnector::from_sqlx_sqlite_pool(reader),
    ))
}

/// Whether a connection is outside of a transaction. When the disk is full SQLite rolls back by
/// itself. The driver does not notice and begins every later transaction as a nested one, without
/// its mode. The pool closes such a connection and opens another.
async fn is_reusable(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if !connection.is_in_transaction() {
        return Ok(true);
    }
    // The answer comes after the rollback that a dropped transaction has queued.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

#[cfg(test)]
mod tests {
    use super::{Database, DatabaseSettings};
    use crate::error::from_db;
    use crate::sqlite::Synchronous;
    use faceshare_biz::{Error, ErrorCode, Result};
    use sea_orm::ConnectionTrait;
    use sea_orm::sqlx::Connection;
    use std::path::Path;
    use tempfile::TempDir;

    async fn opened(file: &Path, synchronous: Synchronous) -> Database {
        let settings = DatabaseSettings {
            synchronous,
            max_connections: 2,
        };
        Database::open(&file.display().to_string(), settings)
            .await
            .expect("opened")
    }

    async fn fresh() -> (Database, TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        (
            opened(&folder.path().join("x.db"), Synchronous::Normal).await,
            folder,
        )
    }

    #[tokio::test]
    async fn migrating_twice_changes_nothing_and_a_closed_database_is_unavailable() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder
            .path()
            .join("a folder that is missing/odd % name?.db");
        let db = opened(&path, Synchronous::Full).await;
        db.migrate().await.expect("migrated");
        db.migrate().await.expect("migrated again");
        db.ping().await.expect("answers");
        assert!(path.exists());
        db.close().await.expect("closed");
        assert_eq!(
            db.ping().await.expect_err("closed").code,
            ErrorCode::Unavailable
        );
    }

    /// No server listens on port 9 of this address.
    #[tokio::test]
    async fn a_server_that_cannot_be_reached_is_named_without_the_password() {
        for (url, host) in [
            ("postgres://app:s3cret@127.0.0.77:9/meet", "127.0.0.77:9"),
            ("mysql://app:s3cret@127.0.0.77:9/meet", "127.0.0.77:9"),
        ] {
            let settings = DatabaseSettings {
                synchronous: Synchronous::Normal,
                max_connections: 2,
            };
            let error = Database::open(url, settings)
                .await
                .expect_err("no server listens");
            assert_eq!(error.code, ErrorCode::Unavailable);
            let cause = error.cause().expect("a cause").to_string();
            assert!(
                cause.contains(host) && cause.contains("meet") && !cause.contains("s3cret"),
                "{cause}"
            );
        }
    }

    #[tokio::test]
    async fn after_a_full_disk_has_room_again_transactions_go_on() {
        let (db, _folder) = fresh().await;
        db.writer()
            .execute_unprepared("CREATE TABLE t (a BLOB)")
            .await
            .expect("created");
        db.writer()
            .execute_unprepared("PRAGMA max_page_count = 10")
            .await
            .expect("bounded");
        let fill = async || -> Result<()> {
            let transaction = db.begin().await.map_err(from_db)?;
            transaction
                .execute_unprepared("INSERT INTO t VALUES (zeroblob(100000))")
                .await
                .map_err(from_db)?;
            transaction.commit().await.map_err(from_db)
        };
        assert_eq!(fill().await.expect_err("full").code, ErrorCode::Unavailable);
        db.writer()
            .execute_unprepared("PRAGMA max_page_count = 1000")
            .await
            .expect("room");
        fill().await.expect("goes on");
        let next = db
            .writer()
            .get_sqlite_connection_pool()
            .acquire()
            .await
            .expect("a connection");
        assert!(
            !next.is_in_transaction(),
            "the next transaction begins as one"
        );
    }

    /// A transaction that its caller has left is rolled back before the next write begins.
    #[tokio::test]
    async fn a_write_waits_for_a_transaction_that_is_dropped() {
        let (db, _folder) = fresh().await;
        db.writer()
            .execute_unprepared("CREATE TABLE t (a INTEGER)")
            .await
            .expect("created");
        for round in 0..20 {
            let transaction = db.begin().await.expect("begun");
            transaction
                .execute_unprepared("INSERT INTO t VALUES (1)")
                .await
                .expect("inserted");
            drop(transaction);
            let written = db
                .writer()
                .execute_unprepared("DELETE FROM t")
                .await
                .map_err(|error| Error::from(crate::error::Failure::from(error)));
            assert_eq!(
                written.expect("written").rows_affected(),
                0,
                "round {round}"
            );
        }
    }

    #[tokio::test]
    async fn the_readers_cannot_write_and_the_pragmas_hold() {
        let (db, _folder) = fresh().await;
        assert!(
            db.reader()
                .execute_unprepared("CREATE TABLE t (a INTEGER)")
                .await
                .is_err()
        );
        let pool = db.writer().get_sqlite_connection_pool();
        let mode: String = sea_orm::sqlx::query_scalar("PRAGMA journal_mode")
            .fetch_one(pool)
            .await
            .expect("a mode");
        let keys: i64 = sea_orm::sqlx::query_scalar("PRAGMA foreign_keys")
            .fetch_one(pool)
            .await
            .expect("a flag");
        let sync: i64 = sea_orm::sqlx::query_scalar("PRAGMA synchronous")
            .fetch_one(pool)
            .await
            .expect("a level");
        assert_eq!((mode.as_str(), keys, sync), ("wal", 1, 1));
    }
}
