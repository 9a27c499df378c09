//! The keys that files are encrypted with at rest.

mod port;
mod types;

pub use port::EncsAgent;
#[cfg(feature = "mocks")]
pub use port::MockEncsAgent;
pub use types::{DataKey, WrappedKey};
