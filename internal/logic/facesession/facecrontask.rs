//! The scheduled task of sessions: it makes deadlines fire in sessions whose actor is not loaded.
//!
//! A session's deadlines (graces, the countdown to its end) are part of its state, and its actor
//! fires them. An idle actor of a live session stops, and an actor that lost its log or panicked is
//! loaded again by the next request for its session; without a request no deadline would fire. So
//! this task loads every live session that is not loaded and may have a deadline before the next
//! tick. A loaded actor fires what is due, each deadline once, because firing is an entry in the
//! log. The task has no state and no input of its own: a second task or an additional pass changes
//! nothing.

use super::Projector;
use crate::instruction::{SessionObserver as _, Sessions};
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::facesession::FaceSessionRepository;
use faceshare_biz::domain::port::Clock;
use faceshare_biz::{ErrorCode, Result};
use faceshare_exec::State;
use std::sync::Arc;
use std::time::Duration;

/// How often [`FaceCronTask::tick`] is due, and so how late a deadline may fire in a session whose
/// actor has stopped.
pub const CRON_INTERVAL: Duration = Duration::from_secs(10);

/// Loads live sessions for their deadlines.
#[derive(Clone)]
pub struct FaceCronTask {
    /// The running sessions.
    pub sessions: Sessions,
    /// Lists the live sessions.
    pub directory: Arc<dyn FaceSessionRepository>,
    /// Corrects the row of a session that has ended and is still listed as live.
    pub projector: Projector,
    /// The source of time.
    pub clock: Arc<dyn Clock>,
}

impl FaceCronTask {
    /// Loads every live session that is not loaded, unless it was unloaded while it was idle and has
    /// no deadline before the next tick. May be stopped in the middle; due every [`CRON_INTERVAL`].
    pub async fn tick(&self) {
        if let Err(error) = self.load_all().await {
            tracing::warn!(%error, cause = ?error.cause(), "the live sessions could not be listed; the next tick tries again");
        }
    }

    async fn load_all(&self) -> Result<()> {
        for id in self.directory.live().await? {
            if self
                .sessions
                .needs_loading(id, self.clock.now() + CRON_INTERVAL)
            {
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
            Ok(_) => tracing::debug!(session = %id, "loaded a live session for its deadlines"),
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
    use faceshare_biz::domain::instruction::Command;
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

    /// A host's app in the background is kept for ten minutes, and then the session for some more.
    #[tokio::test(start_paused = true)]
    async fn an_idle_live_session_is_unloaded_and_loaded_again_for_its_deadline_alone() {
        const SECOND: Duration = Duration::from_secs(1);
        let app = TestApp::new();
        let host = app.person(1).await;
        let created = app.open(host).await;
        let id = created.session.id;
        app.connect_host(host, &created).await;
        let (member, point) = app
            .sessions
            .read(id, |state| {
                let (member, presence) = state.present().next().expect("the host");
                (member, *presence.points.keys().next().expect("its point"))
            })
            .await
            .expect("read");
        let background = Input::Command {
            member,
            point,
            nonce: 0,
            command: Command::PointState { background: true },
        };
        let lost = Input::PointLost {
            point,
            incarnation: 1,
        };
        for input in [background, lost] {
            app.sessions.propose(id, input).await.expect("accepted");
        }
        let task = task(&app);
        let mut loaded = Vec::new();
        for second in 1..=605 {
            app.clock.pass(SECOND);
            tokio::time::sleep(SECOND).await;
            if u64::is_multiple_of(second, CRON_INTERVAL.as_secs()) {
                task.tick().await;
            }
            loaded.push(app.sessions.is_loaded(id));
        }
        let (used, rest) = loaded.split_at(60);
        let unloaded = rest.iter().position(|loaded| !loaded).expect("unloaded");
        let loaded_again = rest[unloaded..].iter().position(|loaded| *loaded);
        let loaded_again = used.len() + unloaded + loaded_again.expect("loaded again");
        assert!(used.iter().all(|loaded| *loaded), "one minute is not over");
        assert!(unloaded < 65, "after one minute, or two");
        assert!((589..=600).contains(&loaded_again), "{loaded_again}");
        let left = app
            .sessions
            .read(id, |state| state.present().next().is_none());
        assert!(left.await.expect("read"), "the grace counts from the loss");
    }

    fn task(app: &TestApp) -> FaceCronTask {
        FaceCronTask {
            sessions: app.sessions.clone(),
            directory: app.directory.clone(),
            projector: app.projector.clone(),
            clock: app.clock.clone(),
        }
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
        let task = task(&app);
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
