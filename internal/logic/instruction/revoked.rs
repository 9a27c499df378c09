//! Closes the connections of sign-ins that are over.
//!
//! Looks whenever a revocation becomes known, and once a second while any is: a connection that was let in just before, and became a point
//! just after, is found by the next look.

use super::sessions::Sessions;
use faceshare_biz::domain::account::RevocationRegistry;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a connection can go unnoticed at most.
const INTERVAL: Duration = Duration::from_secs(1);

/// Looks through the points of this process, until `shutdown`.
pub async fn close_revoked(sessions: Sessions, revocations: Arc<dyn RevocationRegistry>, shutdown: CancellationToken) {
    let looks = async {
        loop {
            if revocations.is_empty() {
                revocations.changed().await;
            } else {
                // Whichever comes first; a look too many does no harm.
                let _ = tokio::time::timeout(INTERVAL, revocations.changed()).await;
            }
            let closed = sessions.points().close_revoked(&*revocations);
            if closed > 0 {
                tracing::info!(closed, "connections of sign-ins that are over were closed");
            }
        }
    };
    shutdown.run_until_cancelled(looks).await;
}
