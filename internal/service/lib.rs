//! Adapters of the domain's ports over what stands in `pkg`: the clock, ids, tokens and secrets; and passwords over argon2id, pictures over an image library.
//!
//! Each is a thin translation between the domain's types and a package that knows nothing of them.

mod clock;
mod fair_queue;
mod ids;
mod known;
mod passwords;
mod permits;
#[cfg(test)]
mod polled;
mod portraits;
mod quota;
mod secrets;
mod tokens;
mod workers;

pub use auth::AuthTtl;
pub use clock::SystemClock;
pub use ids::SnowflakeIds;
pub use passwords::{Argon2Passwords, BadParameters, PasswordSettings};
pub use portraits::{PortraitSettings, Portraits};
pub use secrets::{NoEntropy, SealedSecrets};
pub use tokens::PasetoTokens;
