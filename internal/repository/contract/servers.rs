//! The repository suites over the main database on PostgreSQL and on MariaDB, which stands for
//! MySQL.
//!
//! Every test creates a schema and drops it at its end. `scripts/services` starts the servers; URLs
//! in the environment name others.

use super::SETTINGS;
use crate::db::Database;
use crate::error::from_db;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::event::EventLog as _;
use faceshare_contract::event::{EventStore as _, renamed, sequence_all, taken};
use sea_orm::{ConnectOptions, ConnectionTrait, Statement};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Enough for a server on the same machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// A kind of server, and the URL of the one that the tests use.
struct Server {
    name: &'static str,
    variable: &'static str,
    default: &'static str,
    /// The statements that create and drop a schema: the words before its name and after it.
    create: [&'static str; 2],
    drop: [&'static str; 2],
    /// Statements that fail, and the code of each error.
    failures: &'static [(&'static str, ErrorCode)],
}

static POSTGRES: Server = Server {
    name: "PostgreSQL",
    variable: "FACESHARE_TEST_POSTGRES",
    default: "postgres://postgres@127.0.0.1:5432/postgres",
    create: ["CREATE SCHEMA", ""],
    drop: ["SET lock_timeout = '10s'; DROP SCHEMA", "CASCADE"],
    failures: &[
        ("SELECT 1 / 0", ErrorCode::Internal),
        (
            "SET TRANSACTION READ ONLY; CREATE TABLE refused (id INT)",
            ErrorCode::Unavailable,
        ),
        (
            "DO $$ BEGIN RAISE SQLSTATE '53100'; END $$",
            ErrorCode::Unavailable,
        ),
        (
            "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$",
            ErrorCode::Unavailable,
        ),
        (
            "SELECT pg_terminate_backend(pg_backend_pid())",
            ErrorCode::Unavailable,
        ),
    ],
};

static MYSQL: Server = Server {
    name: "MariaDB",
    variable: "FACESHARE_TEST_MYSQL",
    default: "mysql://root@127.0.0.1:3306",
    // The poorest default character set of a server; the tables must not depend on it.
    create: [
        "CREATE SCHEMA",
        "CHARACTER SET latin1 COLLATE latin1_swedish_ci",
    ],
    drop: ["SET lock_wait_timeout = 10; DROP SCHEMA", ""],
    failures: &[
        ("SELECT missing", ErrorCode::Internal),
        (
            "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1290",
            ErrorCode::Unavailable,
        ),
        (
            "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1021",
            ErrorCode::Unavailable,
        ),
        (
            "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114",
            ErrorCode::Unavailable,
        ),
        ("SIGNAL SQLSTATE '25006'", ErrorCode::Unavailable),
        ("SIGNAL SQLSTATE '40001'", ErrorCode::Unavailable),
        ("KILL CONNECTION CONNECTION_ID()", ErrorCode::Unavailable),
    ],
};

impl Server {
    fn url(&self) -> String {
        std::env::var(self.variable).unwrap_or_else(|_| self.default.to_owned())
    }

    /// The URL of this schema.
    fn url_of(&self, schema: &str) -> String {
        let url = self.url();
        let separator = if url.contains('?') { '&' } else { '?' };
        if url.starts_with("postgres") {
            format!("{url}{separator}options[search_path]={schema}")
        } else {
            format!("{url}/{schema}")
        }
    }

    /// Runs a statement outside of any schema.
    async fn run(&self, statement: String) {
        let Self { name, variable, .. } = self;
        let mut options = ConnectOptions::new(self.url());
        options
            .max_connections(1)
            .connect_timeout(PATIENCE)
            .acquire_timeout(PATIENCE)
            .sqlx_logging(false);
        let server = sea_orm::Database::connect(options).await.unwrap_or_else(|error| {
            panic!("no {name} at {}: start one with scripts/services, or name one in {variable} ({error})", self.url())
        });
        server
            .execute_unprepared(&statement)
            .await
            .unwrap_or_else(|error| panic!("{name}: {statement}: {error}"));
        server.close().await.expect("closed");
    }

    /// A database without tables in a schema of its own.
    async fn empty(&'static self) -> (Database, Schema) {
        let schema = Schema::create(self).await;
        (schema.open().await, schema)
    }

    /// Opens one schema without tables four times, as four processes do.
    async fn openings(&'static self) -> ([Database; 4], Schema) {
        let schema = Schema::create(self).await;
        let openings = [
            schema.open().await,
            schema.open().await,
            schema.open().await,
            schema.open().await,
        ];
        (openings, schema)
    }

    /// An adapter over a schema of its own.
    async fn fresh<R>(&'static self, adapter: impl FnOnce(Database) -> R) -> (R, Schema) {
        let (db, schema) = self.empty().await;
        db.migrate().await.expect("migrated");
        (adapter(db), schema)
    }
}

/// A schema that is dropped with this value.
struct Schema {
    server: &'static Server,
    name: String,
}

impl Schema {
    async fn create(server: &'static Server) -> Self {
        // A random number: a hash under random keys.
        let name = format!("faceshare_test_{:x}", RandomState::new().hash_one(()));
        let [before, after] = server.create;
        server.run(format!("{before} {name} {after}")).await;
        Self { server, name }
    }

    async fn open(&self) -> Database {
        Database::open(&self.server.url_of(&self.name), SETTINGS)
            .await
            .expect("opened")
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let (server, [before, after]) = (self.server, self.server.drop);
        let statement = format!("{before} {} {after}", self.name);
        // Needs its own runtime, because that of the test may be shutting down.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(server.run(statement));
        });
        // A second panic would hide the first.
        assert!(
            dropped.join().is_ok() || std::thread::panicking(),
            "the schema {} stays",
            self.name
        );
    }
}

macro_rules! on {
    ($($module:ident: $server:ident;)*) => {$(
        mod $module {
            use super::{$server, Schema};
            use crate::contract::main_database_contracts;
            use crate::contract::migrations::migration_suite;
            use crate::contract::races::race_suite;
            use crate::db::Database;

            async fn fresh<R>(adapter: impl FnOnce(Database) -> R) -> (R, Schema) {
                $server.fresh(adapter).await
            }

            main_database_contracts!();
            race_suite!($server.openings());
            migration_suite!($server.empty());

            #[tokio::test]
            async fn an_event_that_is_committed_late_is_skipped_by_ids_and_not_by_positions() {
                let (store, _schema) = $server.fresh(crate::contract::events::Store::new).await;
                super::an_event_that_is_committed_late_is_skipped_by_ids_and_not_by_positions(&store).await;
            }

            #[tokio::test]
            async fn what_may_succeed_later_is_unavailable() {
                super::what_may_succeed_later_is_unavailable(&$server).await;
            }
        }
    )*};
}

on! {
    postgres: POSTGRES;
    mysql: MYSQL;
}

/// The transaction that takes its id first commits last. A reader that goes on after the greatest
/// id that it has seen never sees its event.
async fn an_event_that_is_committed_late_is_skipped_by_ids_and_not_by_positions(
    store: &super::events::Store,
) {
    let (mut by_id, mut by_position) = (FollowIds::default(), Vec::new());
    let lease = taken(store, "sequencer").await;
    let mut first = store.db.begin_with_events().await.expect("begun");
    first.append(&renamed(1, 1)).await.expect("appended");
    store.append(&[renamed(2, 1)]).await;
    for late in [Some(first), None] {
        by_id.read(&store.db).await;
        sequence_all(store, &lease).await;
        let position = by_position.len() as u64;
        let read = store.log.read(position, 10).await.expect("read");
        by_position.extend(read.iter().map(|event| event.key));
        if let Some(late) = late {
            late.commit().await.expect("committed");
        }
    }
    assert_eq!(by_id.keys, [2], "the first event is skipped for good");
    assert_eq!(by_position, [2, 1]);
}

/// Reads events by `id > last`, which is wrong.
#[derive(Default)]
struct FollowIds {
    last: i64,
    keys: Vec<i64>,
}

impl FollowIds {
    async fn read(&mut self, db: &Database) {
        let sql = format!(
            "SELECT id, event_key FROM events WHERE id > {} ORDER BY id",
            self.last
        );
        let all = Statement::from_string(db.reader().get_database_backend(), sql);
        for row in db.reader().query_all_raw(all).await.expect("read") {
            self.last = row.try_get("", "id").expect("a number");
            self.keys
                .push(row.try_get("", "event_key").expect("a number"));
        }
    }
}

async fn what_may_succeed_later_is_unavailable(server: &'static Server) {
    let (db, _schema) = server.fresh(|db| db).await;
    for &(statement, code) in server.failures {
        let error = db
            .writer()
            .execute_unprepared(statement)
            .await
            .expect_err(statement);
        assert_eq!(from_db(error).code, code, "{statement}");
    }
    db.writer()
        .execute_unprepared("SELECT 1")
        .await
        .expect("on a new connection");
}
