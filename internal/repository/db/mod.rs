//! The main database: what must be found without reading a session's log.
//!
//! One adapter for each port. Times are milliseconds since 1970 and ids signed 64-bit numbers, so that every database keeps them alike:
//! SQLite, which this version opens, and PostgreSQL and MySQL, which the tests hold the same entities to.
//! Whatever reads before it writes does so in a transaction that takes the writer's place at its start.

mod account;
mod answer;
mod avatar;
mod connection;
mod credential;
mod entity;
mod face_session;
mod invite;
mod lookup;
mod migration;
mod number_code;
mod single;
mod token_family;

pub use account::Accounts;
pub use answer::Answers;
pub use avatar::Avatars;
pub use connection::Database;
pub use credential::AccountCredentials;
pub use face_session::FaceSessions;
pub use invite::Invites;
pub use number_code::NumberCodes;
pub use token_family::TokenFamilies;
