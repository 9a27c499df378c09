//! The agent that wraps data keys.

use super::{DataKey, WrappedKey};
use crate::Result;
use crate::domain::SessionId;
use async_trait::async_trait;

/// Wraps the data keys of sessions, and destroys them. The session is the context of its key: a key
/// is unwrapped only for the session that it was wrapped for.
///
/// # Obligations
/// - Failures are `UNAVAILABLE` with a time to wait, and change nothing.
/// - Each call may be repeated.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait EncsAgent: Send + Sync + 'static {
    /// Wraps a session's data key.
    async fn wrap(&self, session: SessionId, key: &DataKey) -> Result<WrappedKey>;
    /// Unwraps a session's data key. `NOT_FOUND`: it has been destroyed. Any other error when this
    /// is not what was wrapped for this session.
    async fn unwrap(&self, session: SessionId, wrapped: &WrappedKey) -> Result<DataKey>;
    /// Destroys a session's data keys: none of them can be unwrapped again, by this call or after
    /// any restart. A repeat changes nothing, and so does a session without a key.
    async fn destroy(&self, session: SessionId) -> Result<()>;
}
