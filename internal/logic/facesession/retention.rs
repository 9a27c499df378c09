//! Deletes what has been kept for its full time: ended sessions after [`ENDED_KEPT`], unused guests
//! after [`GUEST_KEPT`], ended token families after [`FAMILY_KEPT`].
//!
//! Idempotent and without a state of its own: what a pass does not reach, the next one deletes.

use crate::instruction::Sessions;
use faceshare_biz::Result;
use faceshare_biz::constants::{ENDED_KEPT, FAMILY_KEPT, GUEST_KEPT};
use faceshare_biz::domain::MemberId;
use faceshare_biz::domain::account::{AccountRepository, TokenFamilyRepository};
use faceshare_biz::domain::facesession::FaceSessionRepository;
use faceshare_biz::domain::instruction::SessionLog;
use faceshare_biz::domain::port::Clock;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// How often [`Retention::tick`] is due; the first time at the start.
pub const RETENTION_INTERVAL: Duration = Duration::from_secs(86_400);
/// The most rows that one query lists.
const BATCH: u32 = 200;

/// Deletes old sessions, guests and token families once a day.
#[derive(Clone)]
pub struct Retention {
    /// Reads the members of live sessions.
    pub sessions: Sessions,
    /// The directory of sessions.
    pub directory: Arc<dyn FaceSessionRepository>,
    /// The session logs.
    pub log: Arc<dyn SessionLog>,
    /// The accounts and guests.
    pub accounts: Arc<dyn AccountRepository>,
    /// The token families.
    pub families: Arc<dyn TokenFamilyRepository>,
    /// The source of time.
    pub clock: Arc<dyn Clock>,
}

impl Retention {
    /// Deletes everything that has been kept for its full time. May be cancelled at any point; due
    /// every [`RETENTION_INTERVAL`].
    pub async fn tick(&self) {
        report("ended sessions", self.delete_sessions().await);
        report("unused guests", self.delete_guests().await);
        report(
            "token families",
            self.families
                .forget_ended(self.clock.now() - FAMILY_KEPT)
                .await,
        );
    }

    /// Deletes the log first: if the process dies in between, the session is still listed and is
    /// found again.
    async fn delete_sessions(&self) -> Result<u64> {
        let before = self.clock.now() - ENDED_KEPT;
        let mut forgotten = 0;
        loop {
            let over = self.directory.ended_before(before, BATCH).await?;
            if over.is_empty() {
                return Ok(forgotten);
            }
            for id in over {
                self.log.delete(id).await?;
                self.directory.remove(id).await?;
                forgotten += 1;
            }
        }
    }

    /// Skips guests who are in a live session: they may not refresh a token for days.
    async fn delete_guests(&self) -> Result<u64> {
        let now = self.clock.now();
        let before = now - GUEST_KEPT;
        let here = self.in_sessions().await?;
        let (mut forgotten, mut after) = (0, None);
        loop {
            let unused = self.accounts.unused_guests(before, after, BATCH).await?;
            let Some(last) = unused.last() else {
                return Ok(forgotten);
            };
            after = Some(*last);
            for id in unused.into_iter().filter(|id| !here.contains(id)) {
                forgotten += u64::from(self.accounts.forget_guest(id, before, now).await?);
            }
        }
    }

    /// The hosts and members of all live sessions.
    async fn in_sessions(&self) -> Result<HashSet<MemberId>> {
        let mut here = HashSet::new();
        for id in self.directory.live().await? {
            let people = self.sessions.read(id, |state| {
                let members = state.present().map(|(member, _)| member);
                members.chain([state.host()]).collect::<Vec<_>>()
            });
            match people.await {
                Ok(people) => here.extend(people),
                // Listed but without a log yet: its host has just been active, so it is not an
                // unused guest.
                Err(error) if error.code == faceshare_biz::ErrorCode::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(here)
    }
}

fn report(what: &str, outcome: Result<u64>) {
    match outcome {
        Ok(0) => {}
        Ok(forgotten) => {
            tracing::info!(forgotten, "{what} were deleted after their retention time")
        }
        Err(error) => {
            tracing::warn!(%error, cause = ?error.cause(), "{what} could not all be checked for deletion; the next tick tries again")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ENDED_KEPT, GUEST_KEPT, Retention};
    use crate::account::fakes::MemoryFamilies;
    use crate::facesession::fakes::TestApp;
    use faceshare_biz::domain::account::AccountRepository;
    use faceshare_exec::Input;
    use std::sync::Arc;
    use std::time::Duration;

    fn retention(app: &TestApp) -> Retention {
        Retention {
            sessions: app.sessions.clone(),
            directory: app.directory.clone(),
            log: app.log.clone(),
            accounts: app.people.clone(),
            families: Arc::new(MemoryFamilies::default()),
            clock: app.clock.clone(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_ended_session_is_deleted_after_its_retention_time() {
        let app = TestApp::new();
        let host = app.person(1).await;
        let (over, live) = (
            app.open(host).await.session.id,
            app.open(host).await.session.id,
        );
        app.cases.end(host, over).await.expect("ended");
        app.clock.pass(ENDED_KEPT);
        assert_eq!(retention(&app).delete_sessions().await.expect("checked"), 0);
        app.clock.pass(Duration::from_secs(1));
        assert_eq!(retention(&app).delete_sessions().await.expect("checked"), 1);
        assert!(app.directory.get(over).is_none() && app.log.entries(over) == 0);
        assert!(app.directory.get(live).is_some() && app.log.entries(live) > 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_who_never_came_back_is_forgotten_unless_it_is_in_a_session() {
        let app = TestApp::new();
        let (host, member, stranger) = (
            app.person(1).await,
            app.person(2).await,
            app.person(3).await,
        );
        let created = app.open(host).await;
        app.join(member, &created).await;
        app.clock.pass(GUEST_KEPT + Duration::from_secs(1));
        assert_eq!(retention(&app).delete_guests().await.expect("checked"), 1);
        let kept = async |id| app.people.find(id).await.expect("looked up").is_some();
        assert_eq!(
            [
                kept(host.account).await,
                kept(member.account).await,
                kept(stranger.account).await
            ],
            [true, true, false]
        );

        app.sessions
            .propose(created.session.id, Input::End { by: None })
            .await
            .expect("ended");
        app.projector.flush(created.session.id).await;
        assert_eq!(retention(&app).delete_guests().await.expect("checked"), 2);
    }
}
