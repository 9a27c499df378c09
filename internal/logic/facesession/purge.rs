//! Deletes number codes whose quarantine is over.

use super::CodePolicy;
use faceshare_biz::domain::facesession::NumberCodeRepository;
use faceshare_biz::domain::port::Clock;
use std::sync::Arc;
use std::time::Duration;

/// How often [`CodePurge::tick`] is due. A code may stay in quarantine longer than configured,
/// never shorter.
pub const CODE_PURGE_INTERVAL: Duration = Duration::from_secs(300);

/// Deletes number codes after their quarantine.
#[derive(Clone)]
pub struct CodePurge {
    /// The number codes.
    pub codes: Arc<dyn NumberCodeRepository>,
    /// The source of time.
    pub clock: Arc<dyn Clock>,
    /// The length of the quarantine.
    pub policy: CodePolicy,
}

impl CodePurge {
    /// Deletes the codes whose quarantine is over. A failure is logged; the next tick repeats it.
    pub async fn tick(&self) {
        let now = self.clock.now();
        match self.codes.purge(now, now - self.policy.quarantine).await {
            Ok(0) => {}
            Ok(forgotten) => {
                tracing::debug!(forgotten, "deleted number codes whose quarantine is over")
            }
            Err(error) => {
                tracing::warn!(%error, cause = ?error.cause(), "number codes could not be deleted; the next tick tries again")
            }
        }
    }
}
