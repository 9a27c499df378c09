//! The contacts of hosts.

use crate::Result;
use crate::domain::{AccountId, MemberId};
use async_trait::async_trait;

/// The contacts of hosts, as far as admission needs them.
#[async_trait]
pub trait HostContacts: Send + Sync + 'static {
    /// Whether this account is a contact of the host.
    async fn includes(&self, host: MemberId, person: AccountId) -> Result<bool>;
}

/// An installation without contacts.
#[derive(Debug, Clone, Copy)]
pub struct NoContacts;

#[async_trait]
impl HostContacts for NoContacts {
    async fn includes(&self, _host: MemberId, _person: AccountId) -> Result<bool> {
        Ok(false)
    }
}
