//! Keeps the directory in step with the logs, and ends codes and invites with their sessions.
//!
//! A log says what happened, the directory only lists it. So nothing waits for the directory: a changed session is noted, the newest note
//! of each session counts, and a background task writes the notes down until it succeeds. A use case whose caller should find its own
//! change in the list writes its session down at once.

use super::CodePolicy;
use crate::instruction::{SessionObserver, Sessions};
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::facesession::{
    FaceSession, FaceSessionRepository, InviteRepository, NumberCodeRepository,
};
use faceshare_biz::domain::port::Clock;
use faceshare_biz::{ErrorCode, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// The wait after a first failure to write; doubles up to [`BACKOFF_MAX`].
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// The longest wait between two attempts to write.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// What a [`Projector`] works with.
pub struct ProjectorDeps {
    /// The directory of sessions.
    pub directory: Arc<dyn FaceSessionRepository>,
    /// The number codes.
    pub codes: Arc<dyn NumberCodeRepository>,
    /// The invites.
    pub invites: Arc<dyn InviteRepository>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Writes changed sessions down. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Projector(Arc<Shared>);

struct Shared {
    deps: ProjectorDeps,
    policy: CodePolicy,
    /// The newest state of each session that is not written down; at most one for each session that changed.
    noted: Mutex<HashMap<SessionId, Noted>>,
    wake: Notify,
    /// One writer at a time: a slow write of an older state must not come after that of a newer one.
    writing: tokio::sync::Mutex<()>,
}

/// A session, and the index of the log entry after which it is like this.
type Noted = (FaceSession, u64);

impl SessionObserver for Projector {
    fn changed(&self, session: &FaceSession, log_index: u64) {
        self.note(|noted| noted.insert(session.id, (session.clone(), log_index)));
        self.0.wake.notify_one();
    }
}

impl Projector {
    /// Over these adapters, with the life of codes.
    #[must_use]
    pub fn new(deps: ProjectorDeps, policy: CodePolicy) -> Self {
        Self(Arc::new(Shared {
            deps,
            policy,
            noted: Mutex::default(),
            wake: Notify::new(),
            writing: tokio::sync::Mutex::default(),
        }))
    }

    /// Writes down what changes, for ever. May be dropped at any point: what is not written stays noted.
    pub async fn follow(&self) {
        loop {
            let mut backoff = BACKOFF_MIN;
            while let Err(error) = self.write_all().await {
                tracing::warn!(%error, cause = ?error.cause(), ?backoff, "the directory of sessions lags behind");
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
            self.0.wake.notified().await;
        }
    }

    /// Writes down what is noted, once; for the end of the process.
    pub async fn finish(&self) {
        if let Err(error) = self.write_all().await {
            tracing::warn!(%error, cause = ?error.cause(), "the directory of sessions lags behind until the next start");
        }
    }

    /// Writes this session down now if it changed. When that fails, the background task goes on trying.
    pub(super) async fn flush(&self, id: SessionId) {
        if let Err(error) = self.write(id).await {
            tracing::warn!(session = %id, %error, cause = ?error.cause(), "a changed session is not in the directory yet");
        }
    }

    /// Brings the directory in line with the logs, at start and before anything else uses either: what changed just before the process
    /// died was not written down, and what was listed may never have begun.
    ///
    /// # Errors
    /// `UNAVAILABLE` when either cannot be read or written.
    pub async fn reconcile(&self, sessions: &Sessions) -> Result<()> {
        for id in self.0.deps.directory.live().await? {
            match sessions
                .read(id, |state| (state.face_session(), state.index()))
                .await
            {
                Ok(noted) => self.apply(&noted).await?,
                Err(error) if error.code == ErrorCode::NotFound => {
                    self.0.deps.directory.remove(id).await?
                }
                // One log that cannot be read must not keep all other sessions from coming back.
                Err(error) if error.code == ErrorCode::Internal => {
                    tracing::error!(session = %id, %error, cause = ?error.cause(), "a session could not be read from its log");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes down an ended session whose log was lost. The row may come from a later entry of the lost log, so this state counts as later
    /// than every entry.
    pub(super) async fn write_lost(&self, session: FaceSession) -> Result<()> {
        let _alone = self.0.writing.lock().await;
        self.apply(&(session, i64::MAX.unsigned_abs())).await
    }

    /// Tries every noted session once; the last failure, if there was one. Stops where the store is away.
    async fn write_all(&self) -> Result<()> {
        let mut outcome = Ok(());
        let ids = self.note(|noted| noted.keys().copied().collect::<Vec<_>>());
        for id in ids {
            // One session that cannot be written must not keep the others from it.
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
        let Some(written) = self.note(|noted| noted.get(&id).cloned()) else {
            return Ok(());
        };
        self.apply(&written).await?;
        // Only what was written is done with: a newer note may have come meanwhile.
        self.note(|noted| {
            if noted.get(&id) == Some(&written) {
                noted.remove(&id)
            } else {
                None
            }
        });
        Ok(())
    }

    /// Idempotent.
    async fn apply(&self, (session, log_index): &Noted) -> Result<()> {
        let Shared { deps, policy, .. } = self.0.as_ref();
        deps.directory.save(session, *log_index).await?;
        if session.ended.is_some() {
            let now = deps.clock.now();
            deps.codes
                .retire(session.id, now, policy.quarantine_until(now))
                .await?;
            deps.invites.revoke(session.id).await?;
        }
        Ok(())
    }

    fn note<T>(&self, change: impl FnOnce(&mut HashMap<SessionId, Noted>) -> T) -> T {
        change(&mut self.0.noted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
