//! The scheduled task of sessions: what must happen in time happens, even in a session that nobody has loaded.
//!
//! A session's deadlines (graces, the countdown to its end) are part of its state, and its actor fires them. An actor that lost its log or
//! panicked is read back by whoever asks for the session next; in a session that nobody asks for, nothing would fire. So this task asks for
//! every session that goes on and is not loaded. An actor that comes back fires what is overdue, each deadline once, since firing it is
//! an entry in the log. The task has no state and no input of its own: a second one, or a pass too many, changes nothing.

use super::Projector;
use crate::instruction::{SessionObserver as _, Sessions};
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::facesession::FaceSessionRepository;
use faceshare_biz::{ErrorCode, Result};
use std::sync::Arc;
use std::time::Duration;

/// How often the sessions are looked through, and so how late a deadline may fire in a session whose actor is gone.
pub const CRON_INTERVAL: Duration = Duration::from_secs(10);

/// What a [`FaceCronTask`] works with.
#[derive(Clone)]
pub struct FaceCronTask {
    /// The running sessions.
    pub sessions: Sessions,
    /// Which sessions go on.
    pub directory: Arc<dyn FaceSessionRepository>,
    /// Told of a session that has ended and is listed as if it went on.
    pub projector: Projector,
}

impl FaceCronTask {
    /// Loads every live session that is not loaded. May be stopped in the middle; due every [`CRON_INTERVAL`].
    pub async fn tick(&self) {
        if let Err(error) = self.wake_all().await {
            tracing::warn!(%error, cause = ?error.cause(), "the list of live sessions could not be read");
        }
    }

    async fn wake_all(&self) -> Result<()> {
        for id in self.directory.live().await? {
            if !self.sessions.is_loaded(id) {
                self.wake(id).await;
            }
        }
        Ok(())
    }

    /// One session that cannot be brought back must not keep the others from it.
    async fn wake(&self, id: SessionId) {
        match self
            .sessions
            .read(id, |state| (state.face_session(), state.index()))
            .await
        {
            Ok((session, log_index)) if session.ended.is_some() => {
                self.projector.changed(&session, log_index)
            }
            Ok(_) => tracing::info!(session = %id, "a session that nobody asked for is back"),
            // It is listed before its log is opened: one that is just being made has none yet.
            Err(error) if error.code == ErrorCode::NotFound => {}
            Err(error) => {
                tracing::error!(session = %id, %error, cause = ?error.cause(), "a session could not be brought back")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CRON_INTERVAL, FaceCronTask};
    use crate::facesession::fakes::{Directory, House};
    use faceshare_biz::ErrorCode;
    use faceshare_biz::domain::SessionId;
    use faceshare_biz::domain::facesession::EndReason;
    use faceshare_exec::Input;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    /// Longer than an empty session lasts.
    const LONG: Duration = Duration::from_secs(3600);

    /// The actor stops because the log is away for a moment; nobody asks for the session after that.
    async fn lose_actor(house: &House, id: SessionId) {
        house.log.away.store(true, Ordering::SeqCst);
        let refused = house.sessions.propose(id, Input::End { by: None }).await;
        assert_eq!(
            refused.expect_err("the log is away").code,
            ErrorCode::Unavailable
        );
        tokio::task::yield_now().await;
        assert!(!house.sessions.is_loaded(id));
        house.log.away.store(false, Ordering::SeqCst);
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
        let house = House::new();
        let id = house.open(house.person(1).await).await.session.id;
        lose_actor(&house, id).await;
        house.clock.pass(LONG);
        let task = FaceCronTask {
            sessions: house.sessions.clone(),
            directory: house.directory.clone(),
            projector: house.projector.clone(),
        };
        task.tick().await;
        tokio::time::sleep(CRON_INTERVAL / 2).await;
        house.projector.flush(id).await;
        assert_eq!(
            ended(&house.directory, id),
            Some(EndReason::AutoEnd),
            "overdue at the first look: it ends at once"
        );
        let entries = house.log.entries(id);

        for _ in 0..20 {
            task.tick().await;
        }
        assert_eq!(house.log.entries(id), entries, "nothing fires twice");
    }
}
