//! Tells hosts that the number code of their session has expired.
//!
//! A rotation and the end of a session are told where they happen. A code that expires by itself is
//! found here, once: each tick looks at the codes that have expired since the tick before.

use crate::instruction::Sessions;
use faceshare_biz::Result;
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::facesession::NumberCodeRepository;
use faceshare_biz::domain::instruction::Notice;
use faceshare_biz::domain::port::Clock;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often [`CodeExpiry::tick`] is due, and so how late a host hears that its code has expired.
pub const CODE_EXPIRY_INTERVAL: Duration = Duration::from_secs(5);

/// Tells the points of hosts on this node of codes that have expired.
pub struct CodeExpiry {
    sessions: Sessions,
    codes: Arc<dyn NumberCodeRepository>,
    clock: Arc<dyn Clock>,
    /// The hosts of codes that expired until then have been told.
    told_until: Mutex<Timestamp>,
}

impl CodeExpiry {
    /// Codes that have expired by now are not told.
    #[must_use]
    pub fn new(
        sessions: Sessions,
        codes: Arc<dyn NumberCodeRepository>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let told_until = Mutex::new(clock.now());
        Self {
            sessions,
            codes,
            clock,
            told_until,
        }
    }

    /// Tells the hosts whose codes have expired since the last tick. A failure is logged; the next
    /// tick repeats it.
    pub async fn tick(&self) {
        if let Err(error) = self.tell_all().await {
            tracing::warn!(%error, cause = ?error.cause(), "expired number codes could not be read; the next tick tries again");
        }
    }

    async fn tell_all(&self) -> Result<()> {
        let now = self.clock.now();
        let told_until = *self.told_until();
        for id in self.codes.expired(told_until, now).await? {
            // A session without a connected point has no actor to be told, and is not loaded for it.
            if !self.sessions.is_loaded(id) {
                continue;
            }
            let notice = Notice::NumberCodeChange { expires_at: None };
            if let Err(error) = self.sessions.tell_host(id, notice).await {
                tracing::debug!(session = %id, %error, "the host's points could not be told that the number code has expired");
            }
        }
        *self.told_until() = now;
        Ok(())
    }

    fn told_until(&self) -> std::sync::MutexGuard<'_, Timestamp> {
        self.told_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
