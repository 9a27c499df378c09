//! What has been kept for long enough is forgotten: ended sessions after [`ENDED_KEPT`], unused guests after [`GUEST_KEPT`],
//! token families that ended after [`FAMILY_KEPT`].
//!
//! Idempotent, and without a state of its own: what a pass does not get to, the next one finds.

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
/// How much is listed at a time.
const BATCH: u32 = 200;

/// Forgets, day by day.
#[derive(Clone)]
pub struct Retention {
    /// Who is in a session that goes on.
    pub sessions: Sessions,
    /// The sessions that are listed.
    pub directory: Arc<dyn FaceSessionRepository>,
    /// Their logs.
    pub log: Arc<dyn SessionLog>,
    /// The guests.
    pub accounts: Arc<dyn AccountRepository>,
    /// Their tokens.
    pub families: Arc<dyn TokenFamilyRepository>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Retention {
    /// Forgets everything that has been kept for long enough. May be stopped in the middle; due every [`RETENTION_INTERVAL`].
    pub async fn tick(&self) {
        report("ended sessions", self.forget_sessions().await);
        report("unused guests", self.forget_guests().await);
        report(
            "token families",
            self.families
                .forget_ended(self.clock.now() - FAMILY_KEPT)
                .await,
        );
    }

    /// The log goes first: what is still listed is found again when the process dies in between.
    async fn forget_sessions(&self) -> Result<u64> {
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

    /// A guest who is in a session may have no need to refresh anything for days.
    async fn forget_guests(&self) -> Result<u64> {
        let before = self.clock.now() - GUEST_KEPT;
        let here = self.in_sessions().await?;
        let (mut forgotten, mut after) = (0, None);
        loop {
            let unused = self.accounts.unused_guests(before, after, BATCH).await?;
            let Some(last) = unused.last() else {
                return Ok(forgotten);
            };
            after = Some(*last);
            for id in unused.into_iter().filter(|id| !here.contains(id)) {
                forgotten += u64::from(self.accounts.forget_guest(id, before).await?);
            }
        }
    }

    /// The hosts and members of all sessions that go on.
    async fn in_sessions(&self) -> Result<HashSet<MemberId>> {
        let mut here = HashSet::new();
        for id in self.directory.live().await? {
            let people = self.sessions.read(id, |state| {
                let members = state.present().map(|(member, _)| member);
                members.chain([state.host()]).collect::<Vec<_>>()
            });
            match people.await {
                Ok(people) => here.extend(people),
                // Listed, and not begun: its host made an account just now.
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
        Ok(forgotten) => tracing::info!(
            forgotten,
            "{what} have been kept for long enough and are forgotten"
        ),
        Err(error) => {
            tracing::warn!(%error, cause = ?error.cause(), "{what} could not all be looked through")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ENDED_KEPT, GUEST_KEPT, Retention};
    use crate::account::fakes::Families;
    use crate::facesession::fakes::House;
    use faceshare_biz::domain::account::AccountRepository;
    use faceshare_exec::Input;
    use std::sync::Arc;
    use std::time::Duration;

    fn retention(house: &House) -> Retention {
        Retention {
            sessions: house.sessions.clone(),
            directory: house.directory.clone(),
            log: house.log.clone(),
            accounts: house.people.clone(),
            families: Arc::new(Families::default()),
            clock: house.clock.clone(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_ended_session_is_kept_its_time_and_then_nowhere() {
        let house = House::new();
        let host = house.person(1).await;
        let (over, live) = (
            house.open(host).await.session.id,
            house.open(host).await.session.id,
        );
        house.cases.end(host, over).await.expect("ended");
        house.clock.pass(ENDED_KEPT);
        assert_eq!(
            retention(&house)
                .forget_sessions()
                .await
                .expect("looked through"),
            0
        );
        house.clock.pass(Duration::from_secs(1));
        assert_eq!(
            retention(&house)
                .forget_sessions()
                .await
                .expect("looked through"),
            1
        );
        assert!(house.directory.get(over).is_none() && house.log.entries(over) == 0);
        assert!(house.directory.get(live).is_some() && house.log.entries(live) > 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_who_never_came_back_is_forgotten_unless_it_is_in_a_session() {
        let house = House::new();
        let (host, member, stranger) = (
            house.person(1).await,
            house.person(2).await,
            house.person(3).await,
        );
        let created = house.open(host).await;
        house.join(member, &created).await;
        house.clock.pass(GUEST_KEPT + Duration::from_secs(1));
        assert_eq!(
            retention(&house)
                .forget_guests()
                .await
                .expect("looked through"),
            1
        );
        let kept = async |id| house.people.find(id).await.expect("looked up").is_some();
        assert_eq!(
            [
                kept(host.account).await,
                kept(member.account).await,
                kept(stranger.account).await
            ],
            [true, true, false]
        );

        house
            .sessions
            .propose(created.session.id, Input::End { by: None })
            .await
            .expect("ended");
        house.projector.flush(created.session.id).await;
        assert_eq!(
            retention(&house)
                .forget_guests()
                .await
                .expect("looked through"),
            2
        );
    }
}
