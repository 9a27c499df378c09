//! Keeps the directory in step with the logs, and ends codes and invites with their sessions.
//!
//! The log is the source of truth, the directory is derived from it. So nothing waits for the
//! directory: the newest state of each changed session is kept in memory, and a background task
//! writes these states until it succeeds. A use case whose caller must find its own change in the
//! list writes the session at once.

use super::CodePolicy;
use crate::instruction::{SessionObserver, Sessions};
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::facesession::{
    FaceSession, FaceSessionRepository, InviteRepository, NumberCodeRepository, SessionRecord,
};
use faceshare_biz::domain::port::Clock;
use faceshare_biz::{ErrorCode, Result};
use faceshare_exec::State;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// The wait after a first failure to write; doubles up to [`BACKOFF_MAX`].
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// The longest wait between two attempts to write.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// The ports that a [`Projector`] uses.
pub struct ProjectorDeps {
    /// The directory of sessions.
    pub directory: Arc<dyn FaceSessionRepository>,
    /// The number codes.
    pub codes: Arc<dyn NumberCodeRepository>,
    /// The invites.
    pub invites: Arc<dyn InviteRepository>,
    /// The source of time.
    pub clock: Arc<dyn Clock>,
}

/// Writes changed sessions to the directory. Cheap to clone; clones share their state.
#[derive(Clone)]
pub struct Projector(Arc<Shared>);

struct Shared {
    deps: ProjectorDeps,
    policy: CodePolicy,
    /// The newest unwritten state of each changed session.
    unwritten: Mutex<HashMap<SessionId, SessionRecord>>,
    wake: Notify,
    /// One writer at a time: a slow write of an older state must not overwrite a newer one.
    writing: tokio::sync::Mutex<()>,
}

impl SessionObserver for Projector {
    fn changed(&self, record: &SessionRecord) {
        self.with_unwritten(|unwritten| unwritten.insert(record.session.id, record.clone()));
        self.0.wake.notify_one();
    }
}

impl Projector {
    /// Creates a projector over these ports; `policy` sets the quarantine of codes.
    #[must_use]
    pub fn new(deps: ProjectorDeps, policy: CodePolicy) -> Self {
        Self(Arc::new(Shared {
            deps,
            policy,
            unwritten: Mutex::default(),
            wake: Notify::new(),
            writing: tokio::sync::Mutex::default(),
        }))
    }

    /// Writes changed sessions until the future is dropped. May be dropped at any point: unwritten
    /// states stay in memory.
    pub async fn follow(&self) {
        loop {
            let mut backoff = BACKOFF_MIN;
            while let Err(error) = self.write_all().await {
                tracing::warn!(%error, cause = ?error.cause(), ?backoff, "changed sessions could not be written to the directory; trying again after the backoff");
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
            self.0.wake.notified().await;
        }
    }

    /// Writes all unwritten states once, for the shutdown of the process.
    pub async fn finish(&self) {
        if let Err(error) = self.write_all().await {
            tracing::warn!(%error, cause = ?error.cause(), "changed sessions could not be written to the directory; the next start writes them");
        }
    }

    /// Writes this session now if it changed. After a failure the background task tries again.
    pub(super) async fn flush(&self, id: SessionId) {
        if let Err(error) = self.write(id).await {
            tracing::warn!(session = %id, %error, cause = ?error.cause(), "a changed session could not be written to the directory yet");
        }
    }

    /// Updates the directory from the logs, at start and before any other use of either: the last
    /// changes before the process died were not written, and a listed session may have no log.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the directory or the logs cannot be read or written.
    pub async fn reconcile(&self, sessions: &Sessions) -> Result<()> {
        for id in self.0.deps.directory.live().await? {
            match sessions.read(id, State::record).await {
                Ok(current) => self.apply(&current).await?,
                Err(error) if error.code == ErrorCode::NotFound => {
                    self.0.deps.directory.remove(id).await?
                }
                // One unreadable log must not stop all other sessions from loading.
                Err(error) if error.code == ErrorCode::Internal => {
                    tracing::error!(session = %id, %error, cause = ?error.cause(), "a session could not be read from its log");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes an ended session whose log was lost. The row may come from a later entry of the lost
    /// log, so this state counts as later than every entry. Who was there is not known.
    pub(super) async fn write_lost(&self, session: FaceSession) -> Result<()> {
        let _alone = self.0.writing.lock().await;
        let record = SessionRecord {
            session,
            log_index: i64::MAX.unsigned_abs(),
            attendees: Vec::new(),
        };
        self.apply(&record).await
    }

    /// Tries to write every unwritten state once. Returns the last failure, if there was one. Stops
    /// when the directory is unavailable.
    async fn write_all(&self) -> Result<()> {
        let mut outcome = Ok(());
        let ids = self.with_unwritten(|unwritten| unwritten.keys().copied().collect::<Vec<_>>());
        for id in ids {
            // One session that cannot be written must not stop the others.
            if let Err(error) = self.write(id).await {
                let away = error.code == ErrorCode::Unavailable;
                outcome = Err(error);
                if away {
                    break;
                }
            }
        }
        outcome
    }

    async fn write(&self, id: SessionId) -> Result<()> {
        let _alone = self.0.writing.lock().await;
        let Some(written) = self.with_unwritten(|unwritten| unwritten.get(&id).cloned()) else {
            return Ok(());
        };
        self.apply(&written).await?;
        // Removes only the state that was written: a newer one may have come during the write.
        self.with_unwritten(|unwritten| {
            if unwritten.get(&id) == Some(&written) {
                unwritten.remove(&id)
            } else {
                None
            }
        });
        Ok(())
    }

    /// Idempotent.
    async fn apply(&self, record: &SessionRecord) -> Result<()> {
        let Shared { deps, policy, .. } = self.0.as_ref();
        deps.directory.save(record).await?;
        let session = &record.session;
        if session.ended.is_some() {
            let now = deps.clock.now();
            deps.codes
                .retire(session.id, now, policy.quarantine_until(now))
                .await?;
            deps.invites.revoke(session.id).await?;
        }
        Ok(())
    }

    fn with_unwritten<T>(
        &self,
        change: impl FnOnce(&mut HashMap<SessionId, SessionRecord>) -> T,
    ) -> T {
        change(
            &mut self
                .0
                .unwritten
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}
