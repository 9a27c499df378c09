//! Wrapping of data keys: by a keyring in a file, or by an encs service.

mod cache;
mod destroyed;
mod embedded;
mod keyring;
mod remote;
#[cfg(test)]
mod tests;

pub use cache::CachedEncs;
pub use embedded::{EmbeddedEncs, EncsFileError};
pub use keyring::{EncsKeyring, KeyringError};
pub use remote::RemoteEncs;
