//! `wait`: a caller who knocked asks for the host's answer.
//!
//! A call is held open until the answer comes, at most for [`WAIT_POLL`]; then the client calls
//! again.

use super::guess::not_joinable;
use super::prejoin::join_status;
use super::{FaceSessions, PendingKnock, Prejoined, WaitOutcome};
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::WaitClaims;
use faceshare_biz::domain::instruction::KnockState;
use faceshare_biz::domain::port::TokenRefusal;
use faceshare_biz::domain::{KnockId, MemberId, PointId, SessionId, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};
use faceshare_exec::{Access, Input, State, Via};
use std::time::Duration;

/// How long one call is held open: less than the 30 seconds after which many proxies time out.
pub const WAIT_POLL: Duration = Duration::from_secs(25);
/// A wait token outlives its knock by this much, so that a caller who is admitted at the last
/// moment, or whose knock has expired, can still ask for the outcome.
const TOKEN_SLACK: Duration = Duration::from_secs(60);

/// The state of a knock as its sender sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum KnockStatus {
    /// The host has not answered; the knock expires at `until`.
    Waiting {
        until: Timestamp,
    },
    /// The host admitted the caller, as this point; `None`: the knock is forgotten, a new point is
    /// needed.
    Admitted(Option<PointId>),
    Denied,
    Expired,
    Ended,
}

impl FaceSessions {
    /// The outcome of a knock as soon as there is one, or that it still waits.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with path `waitToken` when the token is not a valid one of the caller;
    /// `UNAUTHENTICATED` when the caller's account is deleted; `LIMIT_EXCEEDED` when the caller was
    /// admitted, asks late and the session is full now: it may ask again.
    pub async fn wait(&self, caller: Caller, wait_token: &str) -> Result<WaitOutcome> {
        let Some(WaitClaims { session, knock, .. }) = self.wait_claims(caller, wait_token)? else {
            return Ok(WaitOutcome::Expired);
        };
        if let KnockStatus::Waiting { .. } = self.knock_status(caller, session, knock).await? {
            // The status is read again below, whether the knock ended or the time ran out.
            if let Ok(over) =
                tokio::time::timeout(WAIT_POLL, self.deps.sessions.await_knock(session, knock))
                    .await
            {
                over?;
            }
        }
        match self.knock_status(caller, session, knock).await? {
            KnockStatus::Waiting { until } => Ok(WaitOutcome::Waiting(
                self.wait_token(caller, session, knock, until)?,
            )),
            KnockStatus::Admitted(point) => self.seat_admitted(caller, session, point).await,
            KnockStatus::Denied => Ok(WaitOutcome::Denied),
            // A knock also ends when its sender's account is deleted: the profile look-up then
            // fails with `UNAUTHENTICATED`, so that this does not look like a host who did not
            // answer.
            KnockStatus::Expired => self.profile(caller).await.map(|_| WaitOutcome::Expired),
            KnockStatus::Ended => Ok(WaitOutcome::Ended),
        }
    }

    /// Withdraws a knock. A knock that has ended stays as it is.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with path `waitToken` when the token is not a valid one of the caller.
    pub async fn cancel_wait(&self, caller: Caller, wait_token: &str) -> Result<()> {
        let Some(WaitClaims { session, knock, .. }) = self.wait_claims(caller, wait_token)? else {
            return Ok(());
        };
        match self
            .deps
            .sessions
            .propose(
                session,
                Input::WithdrawKnock {
                    by: caller.account,
                    knock,
                },
            )
            .await
        {
            Err(error) if !matches!(error.code, ErrorCode::SessionEnded | ErrorCode::NotFound) => {
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// The claims of a wait token; `None` when it has expired, and its knock with it.
    fn wait_claims(&self, caller: Caller, wait_token: &str) -> Result<Option<WaitClaims>> {
        match self.deps.tokens.verify_wait(wait_token, self.now()) {
            Ok(claims) if claims.account == caller.account => Ok(Some(claims)),
            Err(TokenRefusal::Expired) => Ok(None),
            Ok(_) | Err(TokenRefusal::Invalid) => {
                Err(Error::invalid("waitToken", "is not a wait token of yours"))
            }
        }
    }

    async fn knock_status(
        &self,
        caller: Caller,
        session: SessionId,
        knock: KnockId,
    ) -> Result<KnockStatus> {
        let who = caller.account;
        match self
            .deps
            .sessions
            .read(session, move |state| knock_status(state, who, knock))
            .await
        {
            // The session ended so long ago that its log is deleted.
            Err(error) if error.code == ErrorCode::NotFound => Ok(KnockStatus::Ended),
            looked => looked,
        }
    }

    /// Gives an admitted caller a seat that lasts from now on, since the host may have answered
    /// between two calls.
    async fn seat_admitted(
        &self,
        caller: Caller,
        session: SessionId,
        point: Option<PointId>,
    ) -> Result<WaitOutcome> {
        let point = point.map_or_else(|| self.new_point(), Ok)?;
        let profile = self.profile(caller).await?;
        let seat = Input::Seat {
            profile,
            point,
            device: None,
            via: Via::Token,
        };
        let (who, now) = (caller.account, self.now());
        let (session, status) = self
            .deps
            .sessions
            .propose_and(session, seat, move |state| {
                (state.face_session(), join_status(state, who, now))
            })
            .await?;
        match self.prejoin_outcome(caller, session, point, status)? {
            Prejoined::Admitted(entered) => Ok(WaitOutcome::Admitted(entered)),
            Prejoined::Waiting(_) => Err(not_joinable()),
        }
    }

    /// The wait token for a knock.
    pub(super) fn wait_token(
        &self,
        caller: Caller,
        session: SessionId,
        knock: KnockId,
        until: Timestamp,
    ) -> Result<PendingKnock> {
        let claims = WaitClaims {
            session,
            account: caller.account,
            knock,
        };
        let token = self
            .deps
            .tokens
            .issue_wait(&claims, self.now(), until + TOKEN_SLACK)?;
        Ok(PendingKnock {
            token: token.token,
            expires_at: until,
        })
    }
}

/// If the session has forgotten the knock, the sender's access tells the outcome.
fn knock_status(state: &State, who: MemberId, id: KnockId) -> KnockStatus {
    if state.is_ended() {
        return KnockStatus::Ended;
    }
    let knock = state.knock(id).filter(|knock| knock.profile.id == who);
    match (knock.map(|k| k.state), state.access(who)) {
        (Some(KnockState::Waiting), _) => KnockStatus::Waiting {
            until: knock.map(|k| k.until).unwrap_or_default(),
        },
        (_, Access::Removed) => KnockStatus::Denied,
        (_, Access::Host | Access::Present | Access::Admitted | Access::Left) => {
            KnockStatus::Admitted(knock.map(|k| k.point))
        }
        (Some(KnockState::Denied), Access::Stranger) => KnockStatus::Denied,
        (_, Access::Stranger) if state.is_denied(who) => KnockStatus::Denied,
        (_, Access::Stranger) => KnockStatus::Expired,
    }
}
