//! Revoked token families, in the memory of one process that serves alone.

use async_trait::async_trait;
use faceshare_biz::Result;
use faceshare_biz::constants::REVOCATION_KEPT;
use faceshare_biz::domain::account::{RevocationRegistry, TokenFamilyRepository};
use faceshare_biz::domain::{FamilyId, Timestamp};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use tokio::sync::Notify;

/// Announced families between two sweeps, which drop the families whose tokens have all expired.
const SWEEP_EVERY: usize = 1_024;

/// The families that were revoked since the start, and those revoked shortly before it.
#[derive(Debug, Default)]
pub struct EmbeddedRevocations {
    families: RwLock<RevokedFamilies>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct RevokedFamilies {
    revoked: HashMap<FamilyId, Timestamp>,
    announced: usize,
}

impl EmbeddedRevocations {
    /// Starts with the families that were revoked so lately that a token of them may not have
    /// expired.
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
            families: RwLock::new(RevokedFamilies {
                revoked,
                announced: 0,
            }),
            changed: Notify::new(),
        })
    }
}

#[async_trait]
impl RevocationRegistry for EmbeddedRevocations {
    fn is_revoked(&self, family: FamilyId) -> bool {
        self.families
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
            let mut revoked = self
                .families
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            revoked
                .revoked
                .extend(families.iter().map(|family| (*family, at)));
            revoked.announced += families.len();
            if revoked.announced >= SWEEP_EVERY {
                revoked.announced = 0;
                revoked
                    .revoked
                    .retain(|_, revoked_at| *revoked_at + REVOCATION_KEPT > at);
            }
        }
        // `Notify` keeps this for the one waiter if it is busy now.
        self.changed.notify_one();
    }

    fn is_empty(&self) -> bool {
        self.families
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .revoked
            .is_empty()
    }

    async fn changed(&self) {
        self.changed.notified().await;
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
    async fn an_announced_family_is_revoked_at_once_and_the_waiter_is_woken() {
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
    async fn a_family_revoked_longer_ago_than_any_token_lives_is_dropped() {
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
