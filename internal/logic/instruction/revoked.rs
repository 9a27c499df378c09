//! Closes the connections of sign-ins that are over.
//!
//! Looks whenever a revocation becomes known, and once a second while any is: a connection that was
//! let in just before, and became a point just after, is found by the next look.

use super::sessions::Sessions;
use faceshare_biz::domain::account::RevocationRegistry;
use std::sync::Arc;
use std::time::Duration;

/// How long a connection can go unnoticed at most.
const INTERVAL: Duration = Duration::from_secs(1);

/// Closes what was revoked among the points of this process.
#[derive(Clone)]
pub struct CloseRevoked {
    /// Whose points are looked through.
    pub sessions: Sessions,
    /// What was revoked.
    pub revocations: Arc<dyn RevocationRegistry>,
}

impl CloseRevoked {
    /// Looks whenever there may be something to close, for ever.
    pub async fn follow(&self) {
        loop {
            self.tick();
            if self.revocations.is_empty() {
                self.revocations.changed().await;
            } else {
                // Whichever comes first; a look too many does no harm.
                let _ = tokio::time::timeout(INTERVAL, self.revocations.changed()).await;
            }
        }
    }

    /// Looks through the points once.
    pub fn tick(&self) {
        let closed = self.sessions.points().close_revoked(&*self.revocations);
        if closed > 0 {
            tracing::info!(closed, "connections of sign-ins that are over were closed");
        }
    }
}
