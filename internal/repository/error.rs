//! Maps errors of the drivers to domain errors.

use faceshare_biz::{Error, ErrorCode};
use sea_orm::sqlx::mysql::MySqlDatabaseError;
use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};
use std::sync::Arc;

/// MySQL's number of a lock wait that timed out.
const MYSQL_LOCK_WAIT_TIMEOUT: u16 = 1205;
/// MySQL's numbers of outages whose SQLSTATE is the general one: disk full, table full, lock wait
/// timeout, read-only by an option, read-only mode.
const MYSQL_OUTAGES: [u16; 5] = [1021, 1114, MYSQL_LOCK_WAIT_TIMEOUT, 1290, 1836];
/// Of a transaction on a server that only reads, as one is during a failover.
const READ_ONLY_TRANSACTION: &str = "25006";

/// Why a transaction ended without a commit.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The driver failed.
    Driver(DbErr),
    /// Another process changed the same rows at the same time: the transaction is to be repeated.
    /// The caller gets the error if the last repetition fails, too.
    Conflict(Error),
    /// Repeating does not help.
    Refused(Error),
}

impl From<DbErr> for Failure {
    fn from(error: DbErr) -> Self {
        Self::Driver(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Driver(error) => from_db(error),
            Failure::Conflict(error) | Failure::Refused(error) => error,
        }
    }
}

impl Failure {
    /// Whether the same transaction may succeed when it is repeated at once: it was the victim of a
    /// deadlock, failed to serialise, or waited too long for a lock.
    pub(crate) fn is_conflict(&self) -> bool {
        match self {
            Self::Conflict(_) => true,
            Self::Driver(error) => cause_of(error).is_some_and(is_conflict),
            Self::Refused(_) => false,
        }
    }
}

/// The failure of an insertion: `ALREADY_EXISTS` with the detail `taken` if it violated a unique
/// constraint.
pub(crate) fn or_taken(error: DbErr, taken: &'static str) -> Failure {
    if violates_unique(&error).is_some() {
        Failure::Refused(Error::new(ErrorCode::AlreadyExists, taken))
    } else {
        Failure::Driver(error)
    }
}

/// The message of a violated unique constraint, which names the column or the index.
pub(crate) fn violates_unique(error: &DbErr) -> Option<String> {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(message)) => Some(message),
        _ => None,
    }
}

/// An error of the ORM: `UNAVAILABLE` for an outage, else `INTERNAL`.
pub(crate) fn from_db(error: DbErr) -> Error {
    let outage = match &error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        _ => cause_of(&error).is_some_and(is_outage),
    };
    if outage {
        Error::unavailable(error)
    } else {
        Error::internal(error)
    }
}

/// An error of the driver below the ORM, mapped likewise.
pub(crate) fn from_sqlx(error: sqlx::Error) -> Error {
    if is_outage(&error) {
        Error::unavailable(error)
    } else {
        Error::internal(error)
    }
}

/// An error of a SQLite connection that the log opens itself, mapped likewise.
pub(crate) fn from_rusqlite(error: impl Into<Arc<rusqlite::Error>>) -> Error {
    let error = error.into();
    let outage = error
        .sqlite_error()
        .is_some_and(|cause| is_outage_code(cause.extended_code));
    if outage {
        Error::unavailable(error)
    } else {
        Error::internal(error)
    }
}

/// The error for a column with a value that this version never writes.
pub(crate) fn unreadable(column: &'static str) -> Error {
    Error::internal(format!("the column {column} holds an invalid value"))
}

fn cause_of(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => {
            Some(cause)
        }
        _ => None,
    }
}

/// 40001: serialisation failure, and MySQL's deadlock (1213); 40P01: PostgreSQL's deadlock; 55P03:
/// PostgreSQL's lock timeout.
fn is_conflict(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(cause) = error else {
        return false;
    };
    cause
        .code()
        .is_some_and(|state| ["40001", "40P01", "55P03"].contains(&&*state))
        || mysql_number(&**cause) == Some(MYSQL_LOCK_WAIT_TIMEOUT)
}

/// MySQL's own number of an error; `None` if the error is another database's.
fn mysql_number(error: &(dyn sqlx::error::DatabaseError + 'static)) -> Option<u16> {
    let error = error.try_downcast_ref::<MySqlDatabaseError>()?;
    Some(error.number())
}

/// Whether the same call may succeed later: the store is busy, full, read-only, unreachable, or
/// locked by another process.
fn is_outage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        sqlx::Error::Database(cause)
            if mysql_number(&**cause).is_some_and(|number| MYSQL_OUTAGES.contains(&number)) =>
        {
            true
        }
        sqlx::Error::Database(cause) => cause.code().is_some_and(|code| {
            // SQLite's codes are shorter than the five characters of a server's.
            if code.len() == 5 {
                is_outage_state(&code)
            } else {
                code.parse().is_ok_and(is_outage_code)
            }
        }),
        _ => false,
    }
}

/// Decides by the class of an SQLSTATE, as PostgreSQL and MySQL send it.
fn is_outage_state(state: &str) -> bool {
    /// Connection, transaction to be repeated, out of resources, object in use, operator's
    /// intervention; 70: MySQL's for a statement that was interrupted.
    const OUTAGES: [&str; 6] = ["08", "40", "53", "55", "57", "70"];
    state == READ_ONLY_TRANSACTION || OUTAGES.iter().any(|class| state.starts_with(class))
}

fn is_outage_code(code: i32) -> bool {
    /// SQLite's primary result codes of outages: PERM, BUSY, LOCKED, NOMEM, READONLY, INTERRUPT,
    /// IOERR, FULL, CANTOPEN, PROTOCOL.
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
    fn an_unreachable_store_is_unavailable_and_any_other_error_internal() {
        assert_eq!(
            from_sqlx(sqlx::Error::PoolTimedOut).code,
            ErrorCode::Unavailable
        );
        assert_eq!(
            from_sqlx(sqlx::Error::RowNotFound).code,
            ErrorCode::Internal
        );
        let wrapped = DbErr::Exec(RuntimeErr::SqlxError(Arc::new(sqlx::Error::WorkerCrashed)));
        assert_eq!(from_db(wrapped).code, ErrorCode::Unavailable);
        assert_eq!(
            from_db(DbErr::Custom("SELECT secret".into())).code,
            ErrorCode::Internal
        );
        assert_eq!(unreadable("accounts.id").code, ErrorCode::Internal);
    }
}
