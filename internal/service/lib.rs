//! Adapters of the domain's ports over what stands in `pkg`: the clock, ids, tokens and secrets; and passwords over argon2id, pictures over an image library.
//!
//! Each is a thin translation between the domain's types and a package that knows nothing of them.

mod clock;
mod crew;
mod ids;
mod known;
mod line;
mod passwords;
#[cfg(test)]
mod polled;
mod portraits;
mod secrets;
mod tokens;

pub use auth::AuthTtl;
pub use clock::SystemClock;
pub use ids::SnowflakeIds;
pub use passwords::{Argon2Passwords, BadParameters, PasswordSettings};
pub use portraits::{PortraitSettings, Portraits};
pub use secrets::{NoEntropy, SealedSecrets};
pub use tokens::PasetoTokens;
