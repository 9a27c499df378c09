//! Accounts and guests, and their tokens.

pub mod avatar;
pub mod change_password;
pub mod create_guest;
pub mod delete_me;
pub mod me;
pub mod patch_me;
pub mod put_avatar;
pub mod refresh;
mod representation;
pub mod sign_in;
pub mod sign_out;
pub mod sign_up;

pub use representation::{AccountAnswer, AccountView, PictureFile, TokensAnswer};
