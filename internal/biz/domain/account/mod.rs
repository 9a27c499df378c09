//! People: accounts and guests, and the tokens they carry.

mod port;
mod types;

pub use port::{AccountRepository, Rotation, TokenFamilyRepository};
pub use types::{AccessClaims, Account, Caller, IssuedToken, RefreshClaims, TokenFamily, TokenPair};
