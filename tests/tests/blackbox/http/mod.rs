//! The HTTP interface.

mod errors;
mod guesses;
mod guests;
mod invites;
mod members;
mod number_codes;
mod operations;
mod sessions;
