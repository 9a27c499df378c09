//! Caches of the rows that every join reads, over the adapters of [`db`](crate::db).
//!
//! Each cache implements the same port as the adapter under it. It is right only while every write
//! goes through it, so one process alone may serve a database. The lock on the data directory ensures
//! that for a SQLite file in it; on a server the operator does (`docs/databases.md`). A method of the
//! port that changes the result of `find` must call `Recent::change` after
//! its write.

mod accounts;
mod number_codes;
mod recent;

pub use accounts::CachedAccounts;
pub use number_codes::CachedNumberCodes;

use faceshare_biz::{Error, Result};
use std::future::Future;

/// Finishes a write, and the change of the cache after it, even when the caller stops waiting:
/// otherwise the write could happen and the old entry stay.
async fn carry_through<T: Send + 'static>(
    write: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(write)
        .await
        .unwrap_or_else(|panic| Err(Error::internal(panic)))
}
