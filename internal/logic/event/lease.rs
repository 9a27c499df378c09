//! Work that one process of the installation does.

use super::LEASE_TERM;
use faceshare_biz::domain::event::{Lease, Leases};
use metrics::{counter, describe_counter};
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How often a lease is renewed, and how often a process tries to take one that another holds.
const RENEWAL: Duration = Duration::from_millis(LEASE_TERM.as_millis() as u64 / 3);

/// A lease under which work runs.
pub(super) struct HeldLease {
    pub(super) lease: Lease,
    lost: Arc<AtomicBool>,
}

impl HeldLease {
    /// Whether the lease is known to be lost: the work must end.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }
}

/// Takes and keeps one lease.
pub(super) struct LeaseHolder {
    leases: Arc<dyn Leases>,
    name: String,
    /// What this process holds as far as it knows.
    held: Mutex<Option<Lease>>,
}

impl LeaseHolder {
    pub(super) fn new(leases: Arc<dyn Leases>, name: String) -> Self {
        describe_counter!(
            "event_lease_changes_total",
            "Leases of the event log that this process took, lost or released."
        );
        for change in ["taken", "lost", "released"] {
            count(&name, change, 0);
        }
        Self {
            leases,
            name,
            held: Mutex::default(),
        }
    }

    /// Takes the lease when it is free, and runs `work` under it until the work ends, which it does
    /// soon once the lease is lost; then begins again. Runs until the future is dropped, which keeps
    /// the lease: see [`release`](Self::release).
    ///
    /// The work is not dropped when the lease is lost: it may be within a transaction, whose locks a
    /// pooled connection could keep.
    pub(super) async fn run<W: Future<Output = ()>>(&self, work: impl Fn(HeldLease) -> W) {
        loop {
            if let Some(lease) = self.take().await {
                tracing::info!(lease = self.name, fence = lease.fence, "took a lease");
                let lost = Arc::<AtomicBool>::default();
                let keep = async {
                    self.keep(&lease).await;
                    lost.store(true, Ordering::Release);
                    std::future::pending().await
                };
                let held = HeldLease {
                    lease: lease.clone(),
                    lost: lost.clone(),
                };
                tokio::select! {
                    () = keep => {}
                    () = work(held) => {}
                }
                tracing::warn!(lease = self.name, fence = lease.fence, "lost a lease");
                self.held().take();
                count(&self.name, "lost", 1);
            }
            tokio::time::sleep(RENEWAL).await;
        }
    }

    /// Frees the lease, so that another process need not wait for its end. For the stop of the
    /// process, once [`run`](Self::run) is dropped.
    pub(super) async fn release(&self) {
        let Some(lease) = self.held().take() else {
            return;
        };
        match self.leases.release(&lease).await {
            Ok(()) => count(&self.name, "released", 1),
            Err(error) => {
                tracing::warn!(lease = self.name, %error, cause = ?error.cause(), "a lease could not be released; it ends by itself");
            }
        }
    }

    /// Whether this process holds the lease, as far as it knows.
    #[cfg(test)]
    pub(super) fn is_held(&self) -> bool {
        self.held().is_some()
    }

    async fn take(&self) -> Option<Lease> {
        match self.leases.take(&self.name, LEASE_TERM).await {
            Ok(None) => None,
            Ok(Some(lease)) => {
                *self.held() = Some(lease.clone());
                count(&self.name, "taken", 1);
                Some(lease)
            }
            Err(error) => {
                tracing::warn!(lease = self.name, %error, cause = ?error.cause(), "a lease could not be taken; trying again");
                None
            }
        }
    }

    /// Renews the lease until it is lost.
    async fn keep(&self, lease: &Lease) {
        let mut renewed = Instant::now();
        while renewed.elapsed() < LEASE_TERM {
            tokio::time::sleep(RENEWAL).await;
            let asked = Instant::now();
            match self.leases.renew(lease, LEASE_TERM).await {
                Ok(true) => renewed = asked,
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(lease = self.name, %error, cause = ?error.cause(), "a lease could not be renewed; trying again");
                }
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Option<Lease>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(lease: &str, change: &'static str, times: u64) {
    counter!("event_lease_changes_total", "lease" => lease.to_owned(), "change" => change)
        .increment(times);
}
