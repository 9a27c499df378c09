//! Face sessions over HTTP: opened, found by code or invite, changed, left and ended. One file for each use case.
//!
//! What a session *is* stands in its instruction log; these use cases propose inputs to it and read its committed state. The directory,
//! the codes and the invites are what must be found without the log.
//!
//! # In time
//! The deadlines of a session are fired by its actor; a scheduled task ([`FaceCronTask`]) brings actors back that are gone, so that a
//! session ends when it must though nobody touches it. Another one ([`Retention`]) forgets what has been kept for long enough.
//!
//! # Who sees what
//! To those who are not in a session it does not exist: `NOT_FOUND` on every call that names it, whatever the call. Its people may read
//! it, after its end too; what would change an ended session is `SESSION_ENDED`; what only the host may do is `FORBIDDEN` to the others.

mod access;
#[cfg(test)]
mod approval;
mod code_policy;
mod create;
mod door;
mod door_keeper;
mod door_watch;
mod end;
mod facecrontask;
#[cfg(test)]
mod fakes;
mod get;
mod guess;
mod invite;
mod knock;
mod list;
mod lost_log;
mod members;
mod number_code;
mod page_token;
mod patch;
mod prejoin;
mod projector;
mod purge;
mod quit;
mod retention;
mod search;
#[cfg(test)]
mod siege;
#[cfg(test)]
mod tests;
mod token;
mod turns;
mod types;
mod wait;

pub use code_policy::CodePolicy;
pub use door_keeper::DoorKeeper;
pub use door_watch::{DOOR_WATCH_INTERVAL, DoorWatch};
pub use facecrontask::{CRON_INTERVAL, FaceCronTask};
pub use projector::{Projector, ProjectorDeps};
pub use purge::{CODE_PURGE_INTERVAL, CodePurge};
pub use retention::{RETENTION_INTERVAL, Retention};
pub use types::{
    Created, DeviceInput, Entered, Key, NewFaceSession, NewInvite, PatchInput, Prejoined, Preview,
    ShownCode, ShownInvite, Waited, Waiting,
};
pub use wait::WAIT_POLL;

use self::turns::Turns;
use crate::instruction::Sessions;
use crate::instruction::mgr::pointaddresses::PointAddresses;
use faceshare_biz::domain::account::{AccountRepository, Caller, IssuedToken};
use faceshare_biz::domain::facesession::{
    FaceSessionRepository, GuessBudgets, HostContacts, InviteRepository, NumberCodeRepository,
    SessionClaims,
};
use faceshare_biz::domain::instruction::Profile;
use faceshare_biz::domain::port::{Clock, IdGenerator, Secrets, Tokens};
use faceshare_biz::domain::{PointId, SessionId, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::Instrument;

/// What [`FaceSessions`] works with.
#[derive(Clone)]
pub struct FaceSessionDeps {
    /// The running sessions.
    pub sessions: Sessions,
    /// The directory of sessions.
    pub directory: Arc<dyn FaceSessionRepository>,
    /// The number codes.
    pub codes: Arc<dyn NumberCodeRepository>,
    /// The invites.
    pub invites: Arc<dyn InviteRepository>,
    /// Who people are.
    pub accounts: Arc<dyn AccountRepository>,
    /// Issues session tokens; knows how long they live.
    pub tokens: Arc<dyn Tokens>,
    /// Codes, invites, epochs, page tokens.
    pub secrets: Arc<dyn Secrets>,
    /// Fresh ids.
    pub ids: Arc<dyn IdGenerator>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Keeps the directory in step with the logs.
    pub projector: Projector,
    /// How much may be guessed.
    pub budgets: Arc<dyn GuessBudgets>,
    /// From where people come.
    pub addresses: Arc<PointAddresses>,
    /// Whom hosts know.
    pub contacts: Arc<dyn HostContacts>,
}

/// What the configuration says about sessions.
#[derive(Debug, Clone, Copy)]
pub struct FaceSessionPolicy {
    /// How many live sessions one person may host.
    pub live_per_host: u32,
    /// The most characters in a title.
    pub title_max: usize,
    /// The most members in a session, and the number unless the host asks for fewer.
    pub members_max: u32,
    /// How long an invite lives unless the host says otherwise.
    pub invite_ttl: Duration,
    /// The life of number codes, and how guesses at them are answered.
    pub codes: CodePolicy,
    /// Seats of one address in one session that are not connected yet.
    pub seats_per_address: usize,
}

/// The use cases around face sessions. Cheap to clone.
#[derive(Clone)]
pub struct FaceSessions {
    deps: FaceSessionDeps,
    policy: FaceSessionPolicy,
    /// When the live sessions were counted last, and how many there were.
    live: Arc<Mutex<Option<(Timestamp, u64)>>>,
    /// Whoever comes by an invite does so once at a time: from the look whether it is in to its being in, a use must not be spent twice.
    by_invite: Arc<Turns>,
}

impl FaceSessions {
    /// Over these adapters, under this policy.
    #[must_use]
    pub fn new(deps: FaceSessionDeps, policy: FaceSessionPolicy) -> Self {
        Self {
            deps,
            policy,
            live: Arc::default(),
            by_invite: Arc::default(),
        }
    }

    fn now(&self) -> Timestamp {
        self.deps.clock.now()
    }

    /// Who the caller is, as its account is now.
    async fn profile(&self, caller: Caller) -> Result<Profile> {
        let account = self.deps.accounts.find(caller.account).await?;
        let account = account.ok_or_else(|| {
            Error::new(
                ErrorCode::Unauthenticated,
                "the account is gone: sign in again",
            )
        })?;
        let guest = account.is_guest();
        Ok(Profile {
            id: account.id,
            nickname: account.nickname,
            avatar_url: account.avatar_url.into(),
            guest,
        })
    }

    fn new_point(&self) -> Result<PointId> {
        PointId::new(self.deps.ids.next_id())
            .ok_or_else(|| Error::internal("the id generator gave a number that is no id"))
    }

    /// Opens the stream of a session to the caller, as one point.
    fn session_token(
        &self,
        caller: Caller,
        session: SessionId,
        point: PointId,
    ) -> Result<IssuedToken> {
        let claims = SessionClaims {
            session,
            member: caller.account,
            point,
            family: caller.family,
        };
        self.deps.tokens.issue_session(&claims, self.now())
    }
}

/// Does the work to its end even when the one who asked hangs up meanwhile: between its steps lie things that must be undone or followed.
pub(crate) async fn carry_through<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    // On the heap at once, as a task is copied several times on its way to where it stays.
    tokio::spawn(Box::pin(work).in_current_span())
        .await
        .unwrap_or_else(|panic| Err(Error::internal(panic)))
}
