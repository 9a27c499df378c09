//! Revoked token families, as each node knows them.

use crate::domain::{FamilyId, Timestamp};
use async_trait::async_trait;

/// Knows the revoked token families, each for as long as any of its tokens could be valid. Every
/// call and every connection asks it, so it answers from memory.
///
/// The truth is in [`TokenFamilyRepository`](super::TokenFamilyRepository) and
/// [`AccountRepository`](super::AccountRepository), which revoke durably and are the source of
/// truth; this port announces revocations. A new registry starts with the revocations that they
/// hold.
#[async_trait]
pub trait RevocationRegistry: Send + Sync + 'static {
    /// Whether this family is revoked, as far as this node knows.
    fn is_revoked(&self, family: FamilyId) -> bool;
    /// Announces revoked families: this node knows them when the call returns, every other node
    /// soon after. A repeat changes nothing.
    async fn announce(&self, families: &[FamilyId], at: Timestamp);
    /// Whether no revoked family is known.
    fn is_empty(&self) -> bool;
    /// Waits until more revoked families are known than when the last wait ended. Spurious returns
    /// are allowed.
    async fn changed(&self);
}
