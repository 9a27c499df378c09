//! Wrapping by an encs service.

use crate::agents::unavailable;
use async_trait::async_trait;
use encsapi::{EncsClient, Unwrapped, Wrapped};
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::encs::{DataKey, EncsAgent, WrappedKey};
use faceshare_biz::{Error, Result};

/// Wraps data keys by an encs service; the context of a key is the decimal id of its session.
#[derive(Debug, Clone)]
pub struct RemoteEncs(EncsClient);

impl RemoteEncs {
    /// Wraps by the service of this client.
    #[must_use]
    pub const fn new(client: EncsClient) -> Self {
        Self(client)
    }
}

#[async_trait]
impl EncsAgent for RemoteEncs {
    async fn wrap(&self, session: SessionId, key: &DataKey) -> Result<WrappedKey> {
        let context = session.to_string();
        let wrapped = self.0.wrap(&context, key.expose()).await;
        let wrapped = wrapped.map_err(unavailable)?;
        Ok(WrappedKey {
            key_id: wrapped.key_id,
            wrapped: wrapped.wrapped,
        })
    }

    async fn unwrap(&self, session: SessionId, wrapped: &WrappedKey) -> Result<DataKey> {
        let wrapped = Wrapped {
            key_id: wrapped.key_id.clone(),
            wrapped: wrapped.wrapped.clone(),
        };
        let unwrapped = self.0.unwrap(&session.to_string(), &wrapped).await;
        match unwrapped.map_err(unavailable)? {
            Unwrapped::Key(bytes) => Ok(DataKey::filled(|key| key.copy_from_slice(&bytes[..]))),
            Unwrapped::Destroyed => Err(Error::not_found()),
        }
    }

    async fn destroy(&self, session: SessionId) -> Result<()> {
        let destroyed = self.0.destroy(&session.to_string()).await;
        destroyed.map_err(unavailable)
    }
}
