//! Storage: the adapters of the domain's ports.
//!
//! - [`db`]: accounts, token families, the directory of sessions, number codes, invites, in the
//!   main database: SQLite, PostgreSQL, MySQL or MariaDB.
//! - [`cache`]: accounts and number codes in memory, which every join looks up.
//! - [`EmbeddedGuessBudgets`], [`EmbeddedPasswordBudgets`]: wrong number codes and wrong passwords,
//!   in memory.
//! - [`log`]: the ordered logs of all sessions, in a SQLite file of their own, so that no other
//!   write delays an instruction.
//! - [`EmbeddedRevocations`]: revoked token families, in memory.
//!
//! This crate maps errors of a driver to domain errors; no other crate knows that there is SQL.

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
