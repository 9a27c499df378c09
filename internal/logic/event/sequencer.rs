//! Gives positions to committed events.

use super::lease::{HeldLease, LeaseHolder};
use super::{POLL, backoff};
use faceshare_biz::constants::SEQUENCED_MAX;
use faceshare_biz::domain::event::{EventLog, Leases, Sequencing};
use std::sync::Arc;

/// Numbers events in one process of the installation at a time. Cheap to clone; clones share their
/// state.
#[derive(Clone)]
pub struct Sequencer(Arc<SequencerShared>);

struct SequencerShared {
    log: Arc<dyn EventLog>,
    lease: LeaseHolder,
}

impl Sequencer {
    /// Over this log, under a lease of these.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, leases: Arc<dyn Leases>) -> Self {
        let lease = LeaseHolder::new(leases, "sequencer".to_owned());
        Self(Arc::new(SequencerShared { log, lease }))
    }

    /// Numbers events whenever this process holds the lease, until the future is dropped.
    pub async fn follow(&self) {
        self.0.lease.run(|held| self.sequence(held)).await;
    }

    /// Whether this process holds the lease, as far as it knows.
    #[cfg(test)]
    pub(super) fn holds_lease(&self) -> bool {
        self.0.lease.is_held()
    }

    /// Frees the lease, for the stop of the process.
    pub async fn release(&self) {
        self.0.lease.release().await;
    }

    /// Numbers events until the lease is another process's.
    async fn sequence(&self, held: HeldLease) {
        let mut failures = 0;
        while !held.is_lost() {
            match self.0.log.sequence(&held.lease, SEQUENCED_MAX).await {
                Ok(Sequencing::Numbered(SEQUENCED_MAX)) => failures = 0,
                Ok(Sequencing::Numbered(_)) => {
                    failures = 0;
                    let _ = tokio::time::timeout(POLL, self.0.log.appended()).await;
                }
                Ok(Sequencing::Fenced) => return,
                Err(error) => {
                    failures += 1;
                    let backoff = backoff(failures);
                    tracing::warn!(%error, cause = ?error.cause(), ?backoff, "events could not be numbered; trying again after the backoff");
                    tokio::time::sleep(backoff).await;
                }
            }
        }
    }
}
