//! Data keys that were unwrapped a moment ago.

use async_trait::async_trait;
use faceshare_biz::Result;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::encs::{DataKey, EncsAgent, WrappedKey};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The most data keys in memory: more sessions than read files within a few minutes.
const MAX_KEYS: usize = 4_096;

/// Remembers what another agent unwrapped, so that files are read while that agent is away. A data
/// key is in memory for at most the time to live, then it is overwritten at the next call.
#[derive(Debug)]
pub struct CachedEncs<A> {
    agent: A,
    /// Zero: nothing is remembered.
    ttl: Duration,
    keys: Mutex<HashMap<SessionId, CachedKey>>,
}

#[derive(Debug)]
struct CachedKey {
    wrapped: WrappedKey,
    key: DataKey,
    until: Instant,
}

impl<A: EncsAgent> CachedEncs<A> {
    /// Remembers for `ttl` what `agent` has unwrapped or wrapped.
    #[must_use]
    pub fn new(agent: A, ttl: Duration) -> Self {
        Self {
            agent,
            ttl,
            keys: Mutex::default(),
        }
    }

    fn find(&self, session: SessionId, wrapped: &WrappedKey) -> Option<DataKey> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        keys.retain(|_, cached| cached.until > now);
        let cached = keys.get(&session)?;
        (cached.wrapped == *wrapped).then(|| cached.key.clone())
    }

    fn remember(&self, session: SessionId, wrapped: &WrappedKey, key: &DataKey) {
        if self.ttl.is_zero() {
            return;
        }
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= MAX_KEYS && !keys.contains_key(&session) {
            let oldest = keys.iter().min_by_key(|(_, cached)| cached.until);
            if let Some(oldest) = oldest.map(|(session, _)| *session) {
                keys.remove(&oldest);
            }
        }
        let cached = CachedKey {
            wrapped: wrapped.clone(),
            key: key.clone(),
            until: Instant::now() + self.ttl,
        };
        keys.insert(session, cached);
    }

    fn forget(&self, session: SessionId) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.remove(&session);
    }
}

#[async_trait]
impl<A: EncsAgent> EncsAgent for CachedEncs<A> {
    async fn wrap(&self, session: SessionId, key: &DataKey) -> Result<WrappedKey> {
        let wrapped = self.agent.wrap(session, key).await?;
        self.remember(session, &wrapped, key);
        Ok(wrapped)
    }

    async fn unwrap(&self, session: SessionId, wrapped: &WrappedKey) -> Result<DataKey> {
        if let Some(key) = self.find(session, wrapped) {
            return Ok(key);
        }
        let key = self.agent.unwrap(session, wrapped).await?;
        self.remember(session, wrapped, &key);
        Ok(key)
    }

    /// Forgets the key before it is destroyed and after. A call under way may remember it once
    /// more, for the time to live at most.
    async fn destroy(&self, session: SessionId) -> Result<()> {
        self.forget(session);
        self.agent.destroy(session).await?;
        self.forget(session);
        Ok(())
    }
}
