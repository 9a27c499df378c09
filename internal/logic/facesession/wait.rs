//! `wait`: the one who knocked asks how it ended.
//!
//! The question waits for the answer, up to [`WAIT_POLL`]; then it is asked again.

use super::guess::not_joinable;
use super::prejoin::place;
use super::{FaceSessions, Prejoined, Waited, Waiting};
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::WaitClaims;
use faceshare_biz::domain::instruction::KnockState;
use faceshare_biz::domain::port::TokenRefusal;
use faceshare_biz::domain::{KnockId, MemberId, PointId, SessionId, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};
use faceshare_exec::{Access, Input, State, Via};
use std::time::Duration;

/// How long one question is held open: less than the half minute after which proxies give up on an answer.
pub const WAIT_POLL: Duration = Duration::from_secs(25);
/// A wait token outlives its knock by this much, so that whoever is let in at the last moment, or learns that it expired, still can ask.
const TOKEN_SLACK: Duration = Duration::from_secs(60);

/// How somebody who came to the door stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// It waits.
    Waits {
        until: Timestamp,
    },
    /// It was let in, as this point.
    In(Option<PointId>),
    Denied,
    Expired,
    Ended,
}

impl FaceSessions {
    /// How a knock ended, as soon as it has, or that it still waits.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with path `waitToken` when it is none of the caller's; `UNAUTHENTICATED` when its account is gone; `LIMIT_EXCEEDED` when the caller was let in, took its time
    /// and the session is full now: ask again.
    pub async fn wait(&self, caller: Caller, wait_token: &str) -> Result<Waited> {
        let Some(WaitClaims { session, knock, .. }) = self.wait_claims(caller, wait_token)? else {
            return Ok(Waited::Expired);
        };
        if let Standing::Waits { .. } = self.standing(caller, session, knock).await? {
            // Whether it is over or the time is, the next look tells.
            if let Ok(over) =
                tokio::time::timeout(WAIT_POLL, self.deps.sessions.await_knock(session, knock))
                    .await
            {
                over?;
            }
        }
        match self.standing(caller, session, knock).await? {
            Standing::Waits { until } => Ok(Waited::Waiting(
                self.wait_token(caller, session, knock, until)?,
            )),
            Standing::In(point) => self.come_in(caller, session, point).await,
            Standing::Denied => Ok(Waited::Denied),
            // Over because its sender's account is: that is not to be taken for a host who did not answer.
            Standing::Expired => self.profile(caller).await.map(|_| Waited::Expired),
            Standing::Ended => Ok(Waited::Ended),
        }
    }

    /// Withdraws a knock. What is over already stays as it ended.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with path `waitToken` when it is none of the caller's.
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

    /// What a wait token says; `None` when its time is over, and that of its knock with it.
    fn wait_claims(&self, caller: Caller, wait_token: &str) -> Result<Option<WaitClaims>> {
        match self.deps.tokens.verify_wait(wait_token, self.now()) {
            Ok(claims) if claims.account == caller.account => Ok(Some(claims)),
            Err(TokenRefusal::Expired) => Ok(None),
            Ok(_) | Err(TokenRefusal::Invalid) => {
                Err(Error::invalid("waitToken", "is not a wait token of yours"))
            }
        }
    }

    async fn standing(
        &self,
        caller: Caller,
        session: SessionId,
        knock: KnockId,
    ) -> Result<Standing> {
        let who = caller.account;
        match self
            .deps
            .sessions
            .read(session, move |state| standing(state, who, knock))
            .await
        {
            // It ended so long ago that its log is gone.
            Err(error) if error.code == ErrorCode::NotFound => Ok(Standing::Ended),
            looked => looked,
        }
    }

    /// The host said yes: a seat from now on, as the answer may have come while nobody asked.
    async fn come_in(
        &self,
        caller: Caller,
        session: SessionId,
        point: Option<PointId>,
    ) -> Result<Waited> {
        let point = point.map_or_else(|| self.new_point(), Ok)?;
        let profile = self.profile(caller).await?;
        let seat = Input::Seat {
            profile,
            point,
            device: None,
            via: Via::Token,
        };
        let (who, now) = (caller.account, self.now());
        let (session, place) = self
            .deps
            .sessions
            .propose_and(session, seat, move |state| {
                (state.face_session(), place(state, who, now))
            })
            .await?;
        match self.placed(caller, session, point, place)? {
            Prejoined::Admitted(entered) => Ok(Waited::Admitted(entered)),
            Prejoined::Waiting(_) => Err(not_joinable()),
        }
    }

    /// What somebody who waits gets to ask with.
    pub(super) fn wait_token(
        &self,
        caller: Caller,
        session: SessionId,
        knock: KnockId,
        until: Timestamp,
    ) -> Result<Waiting> {
        let claims = WaitClaims {
            session,
            account: caller.account,
            knock,
        };
        let token = self
            .deps
            .tokens
            .issue_wait(&claims, self.now(), until + TOKEN_SLACK)?;
        Ok(Waiting {
            token: token.token,
            expires_at: until,
        })
    }
}

/// A knock that is forgotten is told by what its sender is in the session.
fn standing(state: &State, who: MemberId, id: KnockId) -> Standing {
    if state.is_ended() {
        return Standing::Ended;
    }
    let knock = state.knock(id).filter(|knock| knock.profile.id == who);
    match (knock.map(|k| k.state), state.access(who)) {
        (Some(KnockState::Waiting), _) => Standing::Waits {
            until: knock.map(|k| k.until).unwrap_or_default(),
        },
        (_, Access::Removed) => Standing::Denied,
        (_, Access::Host | Access::Present | Access::Admitted | Access::Left) => {
            Standing::In(knock.map(|k| k.point))
        }
        (Some(KnockState::Denied), Access::Stranger) => Standing::Denied,
        (_, Access::Stranger) if state.is_denied(who) => Standing::Denied,
        (_, Access::Stranger) => Standing::Expired,
    }
}
