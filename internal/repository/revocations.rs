//! Revoked token families, in the memory of one process that serves alone.

use async_trait::async_trait;
use faceshare_biz::Result;
use faceshare_biz::constants::REVOCATION_KEPT;
use faceshare_biz::domain::account::{RevocationRegistry, TokenFamilyRepository};
use faceshare_biz::domain::{FamilyId, Timestamp};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use tokio::sync::Notify;

/// How many announcements go by between two sweeps of what is too old to matter.
const SWEEP_EVERY: usize = 1_024;

/// Knows what was revoked since it was loaded, and what was revoked shortly before.
#[derive(Debug, Default)]
pub struct EmbeddedRevocations {
    known: RwLock<Known>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Known {
    revoked: HashMap<FamilyId, Timestamp>,
    announced: usize,
}

impl EmbeddedRevocations {
    /// Begins with what the store says was revoked recently enough for a token to be good still.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the store cannot be read.
    pub async fn load(families: &impl TokenFamilyRepository, now: Timestamp) -> Result<Self> {
        let revoked = families
            .revoked_since(now - REVOCATION_KEPT)
            .await?
            .into_iter()
            .collect();
        Ok(Self {
            known: RwLock::new(Known {
                revoked,
                announced: 0,
            }),
            news: Notify::new(),
        })
    }
}

#[async_trait]
impl RevocationRegistry for EmbeddedRevocations {
    fn is_revoked(&self, family: FamilyId) -> bool {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .revoked
            .contains_key(&family)
    }

    async fn announce(&self, families: &[FamilyId], at: Timestamp) {
        if families.is_empty() {
            return;
        }
        {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known
                .revoked
                .extend(families.iter().map(|family| (*family, at)));
            known.announced += families.len();
            if known.announced >= SWEEP_EVERY {
                known.announced = 0;
                known
                    .revoked
                    .retain(|_, revoked_at| *revoked_at + REVOCATION_KEPT > at);
            }
        }
        // Kept for one waiter that is busy right now.
        self.news.notify_one();
    }

    fn is_empty(&self) -> bool {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .revoked
            .is_empty()
    }

    async fn changed(&self) {
        self.news.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::{EmbeddedRevocations, SWEEP_EVERY};
    use faceshare_biz::constants::REVOCATION_KEPT;
    use faceshare_biz::domain::account::RevocationRegistry;
    use faceshare_biz::domain::{FamilyId, Timestamp};
    use std::time::Duration;

    fn family(id: u64) -> FamilyId {
        FamilyId::new(id).expect("an id")
    }

    #[tokio::test]
    async fn what_was_announced_is_known_at_once_and_waited_for() {
        let registry = EmbeddedRevocations::default();
        assert!(registry.is_empty() && !registry.is_revoked(family(1)));
        registry
            .announce(&[family(1), family(2)], Timestamp::from_millis(0))
            .await;
        assert!(
            registry.is_revoked(family(1))
                && registry.is_revoked(family(2))
                && !registry.is_revoked(family(3))
        );
        registry.changed().await;
    }

    #[tokio::test]
    async fn what_is_older_than_any_token_is_forgotten_in_time() {
        let registry = EmbeddedRevocations::default();
        registry
            .announce(&[family(1)], Timestamp::from_millis(0))
            .await;
        let later = Timestamp::from_millis(0) + REVOCATION_KEPT + Duration::from_millis(1);
        for id in 0..SWEEP_EVERY as u64 {
            registry.announce(&[family(100 + id)], later).await;
        }
        assert!(!registry.is_revoked(family(1)) && registry.is_revoked(family(100)));
    }
}
