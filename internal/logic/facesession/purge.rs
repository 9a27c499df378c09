//! Forgets number codes whose quarantine is over.

use super::CodePolicy;
use faceshare_biz::domain::facesession::NumberCodeRepository;
use faceshare_biz::domain::port::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often the codes are looked through. A code may rest longer than it must, never shorter.
const INTERVAL: Duration = Duration::from_secs(300);

/// Looks through the codes again and again, until `shutdown`.
pub async fn purge_number_codes(
    codes: Arc<dyn NumberCodeRepository>,
    clock: Arc<dyn Clock>,
    policy: CodePolicy,
    shutdown: CancellationToken,
) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(interval.tick()).await.is_some() {
        let now = clock.now();
        match codes.purge(now, now - policy.quarantine).await {
            Ok(0) => {}
            Ok(forgotten) => tracing::debug!(forgotten, "number codes whose quarantine is over are forgotten"),
            Err(error) => tracing::warn!(%error, cause = ?error.cause(), "number codes could not be looked through"),
        }
    }
}
