//! Use cases of face sessions over HTTP: create, find by code or invite, join, change, leave and
//! end. One file for each use case.
//!
//! The instruction log of a session is its source of truth: the use cases propose inputs to it and
//! read its committed state. The directory, the codes and the invites hold what must be found
//! without the log.
//!
//! # In time
//! A session's actor fires the session's deadlines. A scheduled task ([`FaceCronTask`]) loads
//! actors that have stopped, so that a session ends at its deadline even if no client uses it.
//! Another task ([`Retention`]) deletes what has been kept for its full time.
//!
//! # Who sees what
//! A caller who is not in a session gets `NOT_FOUND` on every call that names it. Its members may
//! read it, also after its end. A change to an ended session is answered with `SESSION_ENDED`, and
//! a call that only the host may make with `FORBIDDEN` to the other members.

mod access;
mod account_locks;
mod admission;
mod admission_observer;
mod admission_watch;
#[cfg(test)]
mod approval;
mod code_expiry;
mod code_policy;
mod create;
mod end;
mod facecrontask;
#[cfg(test)]
pub(crate) mod fakes;
mod get;
mod guess;
#[cfg(test)]
mod guessing_attack;
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
mod tests;
mod token;
mod types;
mod wait;

pub use admission_observer::AdmissionObserver;
pub use admission_watch::{ADMISSION_WATCH_INTERVAL, AdmissionWatch};
pub use code_expiry::{CODE_EXPIRY_INTERVAL, CodeExpiry};
pub use code_policy::CodePolicy;
pub use facecrontask::{CRON_INTERVAL, FaceCronTask};
pub use projector::{Projector, ProjectorDeps};
pub use purge::{CODE_PURGE_INTERVAL, CodePurge};
pub use retention::{RETENTION_INTERVAL, Retention};
pub use types::{
    Created, DeviceInput, Entered, Key, NewFaceSession, NewInvite, PatchInput, PendingKnock,
    Prejoined, Preview, ShownCode, ShownInvite, Waited,
};
pub use wait::WAIT_POLL;

use self::account_locks::AccountLocks;
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

/// The ports and shared services that [`FaceSessions`] uses.
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
    /// Accounts and guests, for the profiles of members.
    pub accounts: Arc<dyn AccountRepository>,
    /// Issues session and wait tokens; sets their lifetimes.
    pub tokens: Arc<dyn Tokens>,
    /// Generates and seals codes, invites, epochs and page tokens.
    pub secrets: Arc<dyn Secrets>,
    /// Generates ids of sessions, points and knocks.
    pub ids: Arc<dyn IdGenerator>,
    /// The source of time.
    pub clock: Arc<dyn Clock>,
    /// Keeps the directory in step with the logs.
    pub projector: Projector,
    /// The budgets of wrong number codes.
    pub budgets: Arc<dyn GuessBudgets>,
    /// The addresses of connected points and of unused seats.
    pub addresses: Arc<PointAddresses>,
    /// The contacts of hosts.
    pub contacts: Arc<dyn HostContacts>,
}

/// The configured limits of sessions.
#[derive(Debug, Clone, Copy)]
pub struct FaceSessionPolicy {
    /// The most live sessions that one account may host.
    pub live_per_host: u32,
    /// The most characters in a title.
    pub title_max: usize,
    /// The most members in a session, and the number unless the host asks for fewer.
    pub members_max: u32,
    /// The lifetime of an invite for which the host sets none.
    pub invite_ttl: Duration,
    /// The lifetime of number codes, and when a wrong guess is answered.
    pub codes: CodePolicy,
    /// The most seats in one session that one address may hold without connecting.
    pub seats_per_address: usize,
}

/// The use cases of face sessions. Cheap to clone; clones share their state.
#[derive(Clone)]
pub struct FaceSessions {
    deps: FaceSessionDeps,
    policy: FaceSessionPolicy,
    /// When the live sessions were counted last, and how many there were.
    live: Arc<Mutex<Option<(Timestamp, u64)>>>,
    /// One join by invite at a time for each account: between the check whether the caller is a
    /// member and its join, a second join must not spend another use of the invite.
    invite_locks: Arc<AccountLocks>,
}

impl FaceSessions {
    /// Creates the use cases over these ports, with these limits.
    #[must_use]
    pub fn new(deps: FaceSessionDeps, policy: FaceSessionPolicy) -> Self {
        Self {
            deps,
            policy,
            live: Arc::default(),
            invite_locks: Arc::default(),
        }
    }

    fn now(&self) -> Timestamp {
        self.deps.clock.now()
    }

    /// The caller's profile, read from its account now.
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

    /// The token with which the caller opens the stream of a session as one point.
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

/// Runs the work to its end in a task of its own, even if the caller disconnects: a step that is
/// done must be completed or undone by the later steps.
pub(crate) async fn run_to_completion<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    // Boxed, because a task is moved several times before it is stored.
    tokio::spawn(Box::pin(work).in_current_span())
        .await
        .unwrap_or_else(|panic| Err(Error::internal(panic)))
}
