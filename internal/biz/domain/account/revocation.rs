//! Which sign-ins are over before their time.

use crate::domain::{FamilyId, Timestamp};
use async_trait::async_trait;

/// Knows which token families are revoked, for as long as any token of theirs could still be good. Asked for every call and every
/// connection, so the answer comes from memory.
///
/// The truth is in [`TokenFamilyRepository`](super::TokenFamilyRepository) and [`AccountRepository`](super::AccountRepository), which
/// revoke durably; this port spreads the word. A registry that is made anew begins with what they say.
#[async_trait]
pub trait RevocationRegistry: Send + Sync + 'static {
    /// Whether this family is revoked, as far as is known here.
    fn is_revoked(&self, family: FamilyId) -> bool;
    /// These families were revoked: known here when it returns, and at every node soon after. A repeat changes nothing.
    async fn announce(&self, families: &[FamilyId], at: Timestamp);
    /// Whether any family is known to be revoked.
    fn is_empty(&self) -> bool;
    /// Waits until families have become known that were not known when this was last waited for. Spurious returns are allowed.
    async fn changed(&self);
}
