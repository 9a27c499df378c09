//! Where things are kept: the adapters of the domain's ports.
//!
//! - [`db`]: accounts, token families, the directory of sessions, number codes, invites, in the main database: SQLite, PostgreSQL, MySQL or
//!   MariaDB.
//! - [`cache`]: what every join looks up there, kept in memory.
//! - [`EmbeddedGuessBudgets`], [`EmbeddedPasswordBudgets`]: wrong number codes and wrong passwords, in memory.
//! - [`log`]: the ordered logs of all sessions, in a SQLite file of their own, so that nothing else ever delays an instruction.
//!
//! - [`EmbeddedRevocations`]: which sign-ins are over, in memory.
//!
//! A driver's error becomes a domain error here; nothing outside of this crate knows that there is SQL.

pub mod cache;
#[cfg(test)]
mod contract;
pub mod db;
mod error;
mod guesses;
pub mod log;
mod revocations;
mod sqlite;

pub use db::{Database, DatabaseSettings, MAX_CONNECTIONS};
pub use guesses::{EmbeddedGuessBudgets, EmbeddedPasswordBudgets};
pub use log::EmbeddedLog;
pub use revocations::EmbeddedRevocations;
pub use sqlite::Synchronous;
