//! People: guests, their tokens, who one is.

pub mod create_guest;
pub mod me;
pub mod refresh;
mod representation;

pub use representation::{AccountAnswer, AccountView, TokensAnswer};
