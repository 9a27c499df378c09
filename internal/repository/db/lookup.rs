//! Looking up entities by their keys, where the question is asked.
//!
//! A driver that works through a thread of its own costs two turns of the scheduler for each question; that is several times what SQLite
//! needs to find a row whose pages the system has in memory. What a request cannot do without, the account behind a name or an id, the
//! token family, the number code, is therefore read by whoever needs it, on a connection that nobody else uses meanwhile. Writers
//! do not hold it up: in a write-ahead log a reader sees the last commit. Lists go through the driver, however short they are.

use super::entity::{account, number_code, token_family};
use crate::error::from_rusqlite;
use crate::sqlite;
use faceshare_biz::{Error, Result};
use rusqlite::{Connection, Row};
use sea_orm::Statement;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Connections that lie ready. There are never more in use than threads that ask.
const READY: usize = 4;

/// What is looked up, read from a row by the names of its columns.
pub(super) trait Found: Sized {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self>;
}

macro_rules! found {
    ($($entity:ident: $($column:ident)+;)+) => {$(
        impl Found for $entity::Model {
            fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
                Ok(Self { $($column: row.get(stringify!($column))?),+ })
            }
        }
    )+};
}

found! {
    account: id username username_key nickname avatar_url created_at password_hash;
    number_code: fingerprint sealed session_id created_at expires_at retired_until;
    token_family: id account_id generation rotated_at sealed_pair expires_at revoked_at;
}

/// The connections. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Lookups {
    file: PathBuf,
    /// Those that nobody uses; `None`: closed.
    ready: Arc<Mutex<Option<Vec<Connection>>>>,
}

impl Lookups {
    /// In this file, which is there.
    pub(super) fn open(file: &Path) -> rusqlite::Result<Self> {
        let first = sqlite::open_for_reading(file)?;
        Ok(Self { file: file.to_owned(), ready: Arc::new(Mutex::new(Some(vec![first]))) })
    }

    /// All that a statement finds.
    ///
    /// # Errors
    /// `UNAVAILABLE`, also when closed, or `INTERNAL`.
    pub(super) fn find<F: Found>(&self, statement: &Statement) -> Result<Vec<F>> {
        let connection = self.take()?;
        let found = find(&connection, statement).map_err(from_rusqlite);
        self.give_back(connection);
        found
    }

    /// Later questions fail as those to a closed database.
    pub(super) fn close(&self) {
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn take(&self) -> Result<Connection> {
        let ready = match &mut *self.ready.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(ready) => ready.pop(),
            None => return Err(Error::unavailable("the database is closed")),
        };
        ready.map_or_else(|| sqlite::open_for_reading(&self.file).map_err(from_rusqlite), Ok)
    }

    fn give_back(&self, connection: Connection) {
        if let Some(ready) = &mut *self.ready.lock().unwrap_or_else(PoisonError::into_inner)
            && ready.len() < READY
        {
            ready.push(connection);
        }
    }
}

fn find<F: Found>(connection: &Connection, statement: &Statement) -> rusqlite::Result<Vec<F>> {
    let mut prepared = sqlite::prepared(connection, statement)?;
    let (mut rows, mut found) = (prepared.raw_query(), Vec::new());
    while let Some(row) = rows.next()? {
        found.push(F::read(row)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{Found, Lookups};
    use faceshare_biz::ErrorCode;
    use rusqlite::{Connection, Row};
    use sea_orm::{DbBackend, Statement, Value};

    #[derive(Debug, PartialEq)]
    struct Thing(i64);

    impl Found for Thing {
        fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
            row.get("a").map(Self)
        }
    }

    #[test]
    fn a_lookup_sees_the_last_commit_writes_nothing_and_ends_with_the_database() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("x.db");
        let made = Connection::open(&file).expect("a file");
        made.execute_batch("CREATE TABLE t (a INTEGER)").expect("a table");
        let lookups = Lookups::open(&file).expect("opened");
        let all = |sql: &str| lookups.find::<Thing>(&Statement::from_sql_and_values(DbBackend::Sqlite, sql, [Value::from(7_i64)]));
        let seven = "SELECT a FROM t WHERE a = ?";
        assert_eq!(all(seven).expect("answered"), []);
        made.execute("INSERT INTO t VALUES (7), (7)", []).expect("two rows");
        assert_eq!(all(seven).expect("answered"), [Thing(7), Thing(7)]);
        assert_eq!(all("DELETE FROM t WHERE a = ? RETURNING a").expect_err("refused").code, ErrorCode::Unavailable);
        assert_eq!(all("SELECT b FROM t WHERE a = ?").expect_err("refused").code, ErrorCode::Internal);
        // A connection that failed goes on.
        assert_eq!(all(seven).expect("answered"), [Thing(7), Thing(7)]);
        lookups.close();
        assert_eq!(all(seven).expect_err("closed").code, ErrorCode::Unavailable);
    }
}
