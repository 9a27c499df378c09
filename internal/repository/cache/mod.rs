//! What every join looks up, kept in memory over the adapters of [`db`](crate::db).
//!
//! Each cache is an adapter of the same port over another one. It is right only while it sees every write: that is so where one process owns
//! the database, which the lock on the data directory says. A method of the port that changes what `find` answers must go through
//! [`Recent::change`] here.

mod accounts;
mod number_codes;
mod recent;

pub use accounts::Accounts;
pub use number_codes::NumberCodes;

use faceshare_biz::{Error, Result};
use std::future::Future;

/// Does a write and what follows it to the end even when the caller goes away: a write whose end nobody sees would leave what was kept
/// before it.
async fn carry_through<T: Send + 'static>(
    write: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(write)
        .await
        .unwrap_or_else(|panic| Err(Error::internal(panic)))
}
