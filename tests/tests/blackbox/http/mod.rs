//! The HTTP interface.

mod accounts;
mod errors;
mod guesses;
mod guests;
mod invites;
mod members;
mod number_codes;
mod operations;
mod sessions;
