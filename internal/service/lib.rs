//! Adapters of the domain's ports: the clock, ids, tokens and secrets over packages in `pkg`,
//! passwords over argon2id, pictures over an image library, and the agents for drive and encs.
//!
//! Each adapter translates between the domain's types and a package that does not know them.

mod agents;
mod clock;
mod drive;
mod encs;
mod fair_queue;
mod ids;
mod passwords;
mod permits;
#[cfg(test)]
mod polled;
mod portraits;
mod quota;
mod secrets;
mod token_cache;
mod tokens;
mod workers;

pub use auth::AuthTtl;
pub use clock::SystemClock;
pub use drive::{
    EncryptedContent, FilesFolder, FilesFolderSettings, LocalDrive, RemoteDrive, S3Drive, S3Error,
    S3Settings,
};
pub use encs::{CachedEncs, EmbeddedEncs, EncsFileError, EncsKeyring, KeyringError, RemoteEncs};
pub use ids::SnowflakeIds;
pub use passwords::{Argon2Passwords, BadParameters, PasswordSettings};
pub use portraits::{PortraitSettings, Portraits};
pub use secrets::{NoEntropy, SealedSecrets};
pub use tokens::PasetoTokens;
