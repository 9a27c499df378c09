//! The scheduled task of sessions: it makes deadlines fire in sessions whose actor is not loaded.
//!
//! A session's deadlines (graces, the countdown to its end) are part of its state, and its actor
//! fires them. An actor that lost its log or panicked is loaded again by the next request for its
//! session; without a request no deadline would fire. So this task loads every live session that is
//! not loaded. A loaded actor fires what is overdue, each deadline once, because firing is an entry
//! in the log. The task has no state and no input of its own: a second task or an additional pass
//! changes nothing.

use super::Projector;
use crate::instruction::{SessionObserver as _, Sessions};
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::facesession::FaceSessionRepository;
use faceshare_biz::{ErrorCode, Result};
use faceshare_exec::State;
use std::sync::Arc;
use std::time::Duration;

/// How often [`FaceCronTask::tick`] is due, and so how late a deadline may fire in a session whose
/// actor has stopped.
pub const CRON_INTERVAL: Duration = Duration::from_secs(10);

/// Loads live sessions whose actor has stopped.
#[derive(Clone)]
pub struct FaceCronTask {
    /// The running sessions.
    pub sessions: Sessions,
    /// Lists the live sessions.
    pub directory: Arc<dyn FaceSessionRepository>,
    /// Corrects the row of a session that has ended and is still listed as live.
    pub projector: Projector,
}

impl FaceCronTask {
    /// Loads every live session that is not loaded. May be stopped in the middle; due every
    /// [`CRON_INTERVAL`].
    pub async fn tick(&self) {
        if let Err(error) = self.load_all().await {
            tracing::warn!(%error, cause = ?error.cause(), "the live sessions could not be listed; the next tick tries again");
        }
    }

    async fn load_all(&self) -> Result<()> {
        for id in self.directory.live().await? {
            if !self.sessions.is_loaded(id) {
                self.load(id).await;
            }
        }
        Ok(())
    }

    /// Loads one session. An error is only logged, so that one bad session does not stop the others
    /// from loading.
    async fn load(&self, id: SessionId) {
        match self.sessions.read(id, State::record).await {
            Ok(record) if record.session.ended.is_some() => self.projector.changed(&record),
            Ok(_) => tracing::info!(session = %id, "loaded a live session whose actor had stopped"),
            // A session is listed before its log is created: one that is just being created has
            // none yet.
            Err(error) if error.code == ErrorCode::NotFound => {}
            Err(error) => {
                tracing::error!(session = %id, %error, cause = ?error.cause(), "a session could not be loaded from its log")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CRON_INTERVAL, FaceCronTask};
    use crate::facesession::fakes::{Directory, TestApp};
    use faceshare_biz::ErrorCode;
    use faceshare_biz::domain::SessionId;
    use faceshare_biz::domain::facesession::EndReason;
    use faceshare_exec::Input;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    /// Longer than an empty session lives.
    const LONG: Duration = Duration::from_secs(3600);

    /// Stops the actor by making the log unavailable for one append; no request for the session
    /// follows.
    async fn lose_actor(app: &TestApp, id: SessionId) {
        app.log.away.store(true, Ordering::SeqCst);
        let refused = app.sessions.propose(id, Input::End { by: None }).await;
        assert_eq!(
            refused.expect_err("the log is away").code,
            ErrorCode::Unavailable
        );
        tokio::task::yield_now().await;
        assert!(!app.sessions.is_loaded(id));
        app.log.away.store(false, Ordering::SeqCst);
    }

    fn ended(directory: &Directory, id: SessionId) -> Option<EndReason> {
        directory
            .get(id)
            .expect("listed")
            .ended
            .map(|ended| ended.reason)
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_whose_actor_stopped_ends_by_itself_at_its_deadline_once() {
        let app = TestApp::new();
        let id = app.open(app.person(1).await).await.session.id;
        lose_actor(&app, id).await;
        app.clock.pass(LONG);
        let task = FaceCronTask {
            sessions: app.sessions.clone(),
            directory: app.directory.clone(),
            projector: app.projector.clone(),
        };
        task.tick().await;
        tokio::time::sleep(CRON_INTERVAL / 2).await;
        app.projector.flush(id).await;
        assert_eq!(
            ended(&app.directory, id),
            Some(EndReason::AutoEnd),
            "overdue at the first look: it ends at once"
        );
        let entries = app.log.entries(id);

        for _ in 0..20 {
            task.tick().await;
        }
        assert_eq!(app.log.entries(id), entries, "nothing fires twice");
    }
}
