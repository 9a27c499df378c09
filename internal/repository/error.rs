//! From a driver's error to a domain error.

use faceshare_biz::{Error, ErrorCode};
use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};
use std::sync::Arc;

/// What went wrong with the main database.
pub(crate) fn from_db(error: DbErr) -> Error {
    let outage = match &error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => is_outage(cause),
        _ => false,
    };
    if outage { Error::unavailable(error) } else { Error::internal(error) }
}

/// As [`from_db`], where a unique thing that is there already is the caller's affair.
pub(crate) fn from_insert(error: DbErr, taken: &'static str) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => Error::new(ErrorCode::AlreadyExists, taken),
        _ => from_db(error),
    }
}

/// What went wrong below the ORM.
pub(crate) fn from_sqlx(error: sqlx::Error) -> Error {
    if is_outage(&error) { Error::unavailable(error) } else { Error::internal(error) }
}

/// What went wrong at a connection without a driver.
pub(crate) fn from_rusqlite(error: impl Into<Arc<rusqlite::Error>>) -> Error {
    let error = error.into();
    let outage = error.sqlite_error().is_some_and(|cause| is_outage_code(cause.extended_code));
    if outage { Error::unavailable(error) } else { Error::internal(error) }
}

/// The same for a statement of which a unique thing that is there already is the caller's affair.
pub(crate) fn from_rusqlite_insert(error: Arc<rusqlite::Error>, taken: &'static str) -> Error {
    let unique = |code| [SQLITE_CONSTRAINT_UNIQUE, SQLITE_CONSTRAINT_PRIMARYKEY].contains(&code);
    if error.sqlite_error().is_some_and(|cause| unique(cause.extended_code)) {
        return Error::new(ErrorCode::AlreadyExists, taken);
    }
    from_rusqlite(error)
}

/// A row that this version cannot have written.
pub(crate) fn unreadable(column: &'static str) -> Error {
    Error::internal(format!("{column} holds what cannot be in it"))
}

/// Whether the same call may succeed later: the store is busy, full, away or in the hands of somebody else.
fn is_outage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        sqlx::Error::Database(cause) => cause.code().is_some_and(|code| {
            // SQLite's codes are shorter than the five characters of a server's.
            if code.len() == 5 { is_outage_state(&code) } else { code.parse().is_ok_and(is_outage_code) }
        }),
        _ => false,
    }
}

/// By the class of an SQLSTATE, as PostgreSQL and MySQL answer it.
fn is_outage_state(state: &str) -> bool {
    /// Connection, transaction to be repeated, out of resources, operator's intervention; 70: MySQL's for a statement that was interrupted.
    const OUTAGES: [&str; 5] = ["08", "40", "53", "57", "70"];
    OUTAGES.iter().any(|class| state.starts_with(class))
}

fn is_outage_code(code: i32) -> bool {
    /// SQLite's primary result codes for that: PERM, BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL.
    const OUTAGES: [i32; 10] = [3, 5, 6, 7, 8, 9, 10, 13, 14, 15];
    // The low byte of an extended result code is the primary one.
    OUTAGES.contains(&(code & 0xff))
}

#[cfg(test)]
mod tests {
    use super::{from_db, from_sqlx, unreadable};
    use faceshare_biz::ErrorCode;
    use sea_orm::{DbErr, RuntimeErr, sqlx};
    use std::sync::Arc;

    #[test]
    fn a_store_that_is_away_is_unavailable_and_anything_else_a_bug() {
        assert_eq!(from_sqlx(sqlx::Error::PoolTimedOut).code, ErrorCode::Unavailable);
        assert_eq!(from_sqlx(sqlx::Error::RowNotFound).code, ErrorCode::Internal);
        let wrapped = DbErr::Exec(RuntimeErr::SqlxError(Arc::new(sqlx::Error::WorkerCrashed)));
        assert_eq!(from_db(wrapped).code, ErrorCode::Unavailable);
        assert_eq!(from_db(DbErr::Custom("SELECT secret".into())).code, ErrorCode::Internal);
        assert_eq!(unreadable("accounts.id").code, ErrorCode::Internal);
    }
}
