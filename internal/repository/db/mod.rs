//! The main database: everything that is found without reading a session's log.
//!
//! One adapter for each port, over SQLite, PostgreSQL, MySQL and MariaDB alike. Times are
//! milliseconds since 1970 and ids signed 64-bit numbers, so that every database keeps them alike.
//!
//! # Several processes on one schema
//! No repository relies on being the only writer. Each statement of a transaction sees what others
//! have committed before it (READ COMMITTED; on SQLite a transaction has the write lock from its
//! start), so a rule that reads before it writes does one of these:
//! - it is one statement with the rule in its condition, and the number of changed rows says
//!   whether the rule held;
//! - it inserts, a unique key decides, and it reads again if the row was there;
//! - it locks one row that every transaction under the rule locks (`FOR UPDATE`), and then reads.
//!
//! [`retry::retrying`] repeats a whole transaction that failed because of another one.
//!
//! # Adding an adapter
//! An entity, a migration (the last in `migration/mod.rs`), a file here with the port's `impl`, and
//! one line in `contract/mod.rs`, which runs the port's suite on every kind of database.

mod account;
mod address;
mod answer;
mod avatar;
mod connection;
mod credential;
mod entity;
mod event;
mod face_session;
mod invite;
mod migration;
mod number_code;
mod retry;
mod token_family;

#[cfg(test)]
pub(crate) use event::advance;
#[cfg(test)]
pub(crate) use migration::STEPS;
#[cfg(test)]
pub(crate) use number_code::write_code_of_0007;
#[cfg(test)]
pub(crate) use retry::retrying;

pub use account::Accounts;
pub use answer::Answers;
pub use avatar::Avatars;
pub use connection::{Database, DatabaseSettings, MAX_CONNECTIONS};
pub use credential::AccountCredentials;
pub use event::{DatabaseLeases, EventConsumers, EventDeadLetters, Events};
pub use face_session::FaceSessions;
pub use invite::Invites;
pub use number_code::NumberCodes;
pub use token_family::TokenFamilies;
