//! Accounts and guests, their passwords, pictures and tokens.

mod guess;
mod password;
mod picture;
mod port;
mod revocation;
mod types;

pub use guess::{PasswordBudgets, PasswordGuess, PasswordGuessLimits};
pub use password::{HashQueue, Password, PasswordHash, PasswordHasher, Verdict};
pub use picture::{Picture, PicturePermit, PictureProcessor, PictureRepository};
pub use port::{
    AccountRepository, CredentialRepository, PasswordChange, Promotion, Rotation,
    TokenFamilyRepository,
};
pub use revocation::RevocationRegistry;
pub use types::{
    AccessClaims, Account, Caller, Credentials, IssuedToken, RefreshClaims, TokenFamily, TokenPair,
};
