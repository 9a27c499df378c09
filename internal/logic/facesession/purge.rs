//! Forgets number codes whose quarantine is over.

use super::CodePolicy;
use faceshare_biz::domain::facesession::NumberCodeRepository;
use faceshare_biz::domain::port::Clock;
use std::sync::Arc;
use std::time::Duration;

/// How often [`CodePurge::tick`] is due. A code may stay in quarantine for longer than it must, never shorter.
pub const CODE_PURGE_INTERVAL: Duration = Duration::from_secs(300);

/// Forgets number codes.
#[derive(Clone)]
pub struct CodePurge {
    /// Where the codes are kept.
    pub codes: Arc<dyn NumberCodeRepository>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How long a code is in quarantine.
    pub policy: CodePolicy,
}

impl CodePurge {
    /// Forgets the codes whose quarantine is over.
    pub async fn tick(&self) {
        let now = self.clock.now();
        match self.codes.purge(now, now - self.policy.quarantine).await {
            Ok(0) => {}
            Ok(forgotten) => tracing::debug!(
                forgotten,
                "number codes whose quarantine is over were forgotten"
            ),
            Err(error) => {
                tracing::warn!(%error, cause = ?error.cause(), "number codes could not be forgotten")
            }
        }
    }
}
