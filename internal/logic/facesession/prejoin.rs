//! `prejoin`: a number code or an invite becomes a seat and a session token, or a knock and a wait
//! token.

use super::access::access;
use super::guess::{Guess, ResolvedKey, not_joinable};
use super::{DeviceInput, Entered, FaceSessions, Key, Prejoined};
use crate::instruction::MemberAccess;
use crate::text::{FieldChecks, checked};
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::{CodeRecord, FaceSession, InviteRecord, InviteUse};
use faceshare_biz::domain::instruction::Origin;
use faceshare_biz::domain::port::SecretUse;
use faceshare_biz::domain::{KnockId, MemberId, PointId, SessionId, Site, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};
use faceshare_exec::{Access, Arrival, Input, State, Via};
use std::net::IpAddr;

/// The caller's status once its arrival is committed.
pub(super) enum JoinStatus {
    /// The caller is a member or has a seat until then; `None`: it is a member without a seat.
    Admitted(Option<Timestamp>),
    /// The caller waits with this knock, which expires then.
    Waiting(KnockId, Timestamp),
    /// Neither: a later input of the session removed the caller again.
    Refused,
}

impl FaceSessions {
    /// Admits the caller as a new point and holds a seat until it connects, or records a knock that
    /// the host must answer. A caller who waits already keeps its knock.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with path `numberCode`, `device.name` or `device.kind`; `RATE_LIMITED`
    /// when a budget of wrong codes is used up; `LIMIT_EXCEEDED` when too many callers of the same
    /// address hold a seat without connecting, or too many knocks wait; `NUMBER_CODE_NOT_JOINABLE`
    /// for every other reason.
    pub async fn prejoin(
        &self,
        caller: Caller,
        site: Site,
        key: Key,
        device: Option<DeviceInput>,
    ) -> Result<Prejoined> {
        let mut checks = FieldChecks::default();
        let key = self.parse_key(&mut checks, key);
        let device = device.map(|d| checks.device("device", d.name.as_deref(), d.kind.as_deref()));
        checks.finish()?;
        let key = checked(key)?;
        let mut arrival = Arrival {
            profile: self.profile(caller).await?,
            point: self.new_point()?,
            device,
            via: Via::Code,
            approval: false,
            knock: self.new_knock()?,
            origin: Some(self.origin(site.address)),
        };
        let this = self.clone();
        self.answer_guess(caller, async move {
            let guess = this.resolve(caller, site, &key).await?;
            let joined = this.join(caller, site, &guess, &mut arrival).await;
            this.finish(guess, joined).await
        })
        .await
    }

    /// Joins the session of the key: takes a seat or knocks, and issues the token for it.
    async fn join(
        &self,
        caller: Caller,
        site: Site,
        guess: &Guess,
        arrival: &mut Arrival,
    ) -> Result<Prejoined> {
        arrival.approval = self.needs_approval(caller, site, guess).await?;
        self.hold_seat(caller, site, guess.resolved.session())?;
        let arrived = match &guess.resolved {
            ResolvedKey::Code(_) => self.arrive(guess, arrival).await,
            ResolvedKey::Invite(invite) => {
                self.arrive_by_invite(caller, guess, invite, arrival).await
            }
        };
        if !matches!(arrived, Ok((_, JoinStatus::Admitted(_)))) {
            let id = guess.resolved.session();
            self.deps.addresses.give_up_seat(id, caller.account);
        }
        let (session, status) = arrived?;
        match (&status, &guess.resolved) {
            (JoinStatus::Waiting(..), _) => self.withdraw_if_deleted(caller, session.id).await?,
            (JoinStatus::Admitted(_), ResolvedKey::Code(code)) => self.extend_code(code).await,
            (JoinStatus::Admitted(_), ResolvedKey::Invite(_)) | (JoinStatus::Refused, _) => (),
        }
        self.prejoin_outcome(caller, session, arrival.point, status)
    }

    /// Withdraws the knock of an account that was deleted while it knocked. The deletion itself
    /// withdraws the knocks that it finds; it cannot find one that is recorded later.
    async fn withdraw_if_deleted(&self, caller: Caller, id: SessionId) -> Result<()> {
        let found = self.profile(caller).await.map(drop);
        if found
            .as_ref()
            .is_err_and(|error| error.code == ErrorCode::Unauthenticated)
        {
            self.deps
                .sessions
                .tell(
                    id,
                    Input::Gone {
                        member: caller.account,
                    },
                )
                .await;
        }
        found
    }

    fn new_knock(&self) -> Result<KnockId> {
        KnockId::new(self.deps.ids.next_id())
            .ok_or_else(|| Error::internal("the id generator gave a number that is no id"))
    }

    /// A keyed hash of an address, as knocks keep it: the address cannot be read from the log.
    fn origin(&self, address: IpAddr) -> Origin {
        let print = self
            .deps
            .secrets
            .fingerprint(SecretUse::Address, &address.to_string());
        let words = print.chunks_exact(8).map(|word| {
            word.iter()
                .fold(0, |number, byte| number << 8 | u64::from(*byte))
        });
        Origin(words.fold(0, |all, word| all ^ word))
    }

    /// Holds one of the seats of the caller's address, unless too many of them are unused.
    fn hold_seat(&self, caller: Caller, site: Site, id: SessionId) -> Result<()> {
        let now = self.now();
        let until = now + self.deps.sessions.settings().rules.seat;
        let held = self.deps.addresses.hold_seat(
            id,
            caller.account,
            site.address,
            (now, until),
            self.policy.seats_per_address,
        );
        held.map_err(|wait| {
            let error = Error::new(
                ErrorCode::LimitExceeded,
                "too many people at your address have a seat here and have not connected yet",
            );
            error.retry_after(wait)
        })
    }

    /// Proposes the arrival to the session. Returns the session, and the caller's status in it.
    async fn arrive(&self, guess: &Guess, arrival: &Arrival) -> Result<(FaceSession, JoinStatus)> {
        let (who, now) = (arrival.profile.id, self.now());
        let read_status = move |state: &State| (state.face_session(), join_status(state, who, now));
        let input = Input::Arrive(Box::new(arrival.clone()));
        self.deps
            .sessions
            .propose_and(guess.resolved.session(), input, read_status)
            .await
    }

    async fn arrive_by_invite(
        &self,
        caller: Caller,
        guess: &Guess,
        invite: &InviteRecord,
        arrival: &mut Arrival,
    ) -> Result<(FaceSession, JoinStatus)> {
        arrival.via = Via::Invite;
        arrival.approval |= invite.approval;
        let _lock = self.invite_locks.lock(caller.account).await;
        let spent = self.spend_invite(caller, invite).await?;
        let arrived = self.arrive(guess, arrival).await;
        if let Err(error) = &arrived {
            self.refund_invite(invite, spent, error).await;
        }
        arrived
    }

    /// Spends a use of the invite unless the caller is a member or waits already. Returns whether a
    /// use was spent.
    async fn spend_invite(&self, caller: Caller, invite: &InviteRecord) -> Result<bool> {
        match self.session_access(caller, invite.session).await?.access {
            Access::Host | Access::Present | Access::Admitted => Ok(false),
            Access::Stranger if self.is_waiting(caller, invite.session).await? => Ok(false),
            Access::Left | Access::Removed | Access::Stranger => match self
                .deps
                .invites
                .spend(invite.fingerprint, self.now())
                .await?
            {
                InviteUse::Spent => Ok(true),
                InviteUse::Refused => Err(not_joinable()),
            },
        }
    }

    /// Gives back a use after a refused join. After an error that leaves the outcome unknown the
    /// use stays spent, so that an invite never admits more callers than it allows.
    async fn refund_invite(&self, invite: &InviteRecord, spent: bool, why: &Error) {
        let refused = !matches!(why.code, ErrorCode::Unavailable | ErrorCode::Internal);
        if spent
            && refused
            && let Err(error) = self.deps.invites.refund(invite.fingerprint).await
        {
            tracing::warn!(session = %invite.session, %error, cause = ?error.cause(), "a use of an invite could not be given back");
        }
    }

    /// Extends the lifetime of a code that was used. A failure is only logged: the caller has
    /// joined already.
    async fn extend_code(&self, code: &CodeRecord) {
        let now = self.now();
        let Some(end) = self.policy.codes.later_end(code, now) else {
            return;
        };
        if let Err(error) = self.deps.codes.extend(code.fingerprint, now, end).await {
            tracing::warn!(session = %code.session, %error, cause = ?error.cause(), "the end of a used number code could not be extended");
        }
    }

    async fn is_waiting(&self, caller: Caller, id: SessionId) -> Result<bool> {
        let who = caller.account;
        self.deps
            .sessions
            .read(id, move |state| state.knock_of(who).is_some())
            .await
    }

    /// The answer to the caller for its status in the session.
    pub(super) fn prejoin_outcome(
        &self,
        caller: Caller,
        session: FaceSession,
        point: PointId,
        status: JoinStatus,
    ) -> Result<Prejoined> {
        match status {
            JoinStatus::Admitted(seat) => {
                let token = self.session_token(caller, session.id, point)?;
                // A caller who is a member already needs no seat: only its token expires.
                let seat_expires_at = seat.unwrap_or(token.expires_at);
                Ok(Prejoined::Admitted(Entered {
                    session,
                    token,
                    seat_expires_at,
                }))
            }
            JoinStatus::Waiting(knock, until) => Ok(Prejoined::Waiting(
                self.wait_token(caller, session.id, knock, until)?,
            )),
            JoinStatus::Refused => Err(not_joinable()),
        }
    }
}

/// The status of a caller whose arrival is committed.
pub(super) fn join_status(state: &State, who: MemberId, now: Timestamp) -> JoinStatus {
    let member = MemberAccess {
        access: state.access(who),
        seat_expires_at: state.seat_expires_at(who),
    };
    match access(member, now) {
        Access::Present => JoinStatus::Admitted(None),
        Access::Host => JoinStatus::Admitted(
            state
                .presence(who)
                .is_none()
                .then(|| state.seat_expires_at(who))
                .flatten(),
        ),
        Access::Admitted | Access::Left => JoinStatus::Admitted(state.seat_expires_at(who)),
        Access::Removed => JoinStatus::Refused,
        Access::Stranger => state.knock_of(who).map_or(JoinStatus::Refused, |knock| {
            JoinStatus::Waiting(knock.id, knock.until)
        }),
    }
}
