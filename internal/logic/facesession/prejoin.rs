//! `prejoin`: a number code or an invite becomes a seat and a session token, or a knock and a wait
//! token.

use super::access::access;
use super::admission::AdmissionDecision;
use super::guess::{JoinAttempt, ResolvedKey, not_joinable};
use super::{DeviceInput, Entered, FaceSessions, Key, Prejoined, run_to_completion};
use crate::instruction::MemberAccess;
use crate::text::{FieldChecks, checked};
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::{CodeRecord, FaceSession, InviteRecord, InviteUse};
use faceshare_biz::domain::instruction::{Device, Origin, Profile};
use faceshare_biz::domain::port::SecretUse;
use faceshare_biz::domain::{KnockId, MemberId, PointId, SessionId, Site, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};
use faceshare_exec::{Access, Arrival, Input, State, Via};
use std::net::IpAddr;

/// The part of a join attempt that does not depend on the key.
struct JoinRequest {
    profile: Profile,
    point: PointId,
    device: Option<Device>,
    /// The id of the knock if the host's approval is needed.
    knock: KnockId,
    origin: Origin,
}

/// The caller's status once its arrival is committed.
pub(super) enum JoinStatus {
    /// The caller is a member or has a seat until then; `None`: it is a member without a seat.
    Admitted(Option<Timestamp>),
    /// The caller waits with this knock, which expires then.
    Waiting(KnockId, Timestamp),
    /// Neither: a later input of the session removed the caller again.
    Refused,
}

/// The session, and the caller's status in it.
type JoinOutcome = (FaceSession, JoinStatus);

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
        let (profile, point) = (self.profile(caller).await?, self.new_point()?);
        let request = JoinRequest {
            profile,
            point,
            device,
            knock: self.new_knock()?,
            origin: self.origin(site.address),
        };
        let (this, attempt) = (self.clone(), JoinAttempt { caller, site });
        let enter = |resolved: ResolvedKey, decision| {
            run_to_completion(async move {
                let (session, status) = this.join(attempt, &resolved, request, decision).await?;
                if let JoinStatus::Waiting(..) = status {
                    this.withdraw_if_deleted(caller, session.id).await?;
                }
                if let (ResolvedKey::Code(code), JoinStatus::Admitted(_)) = (&resolved, &status) {
                    this.extend_code(code).await;
                }
                this.prejoin_outcome(caller, session, point, status)
            })
        };
        self.guess(attempt, &key, enter).await
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

    /// Takes a seat in the session of the key, or knocks, unless too many seats of the caller's
    /// address are unused.
    async fn join(
        &self,
        attempt: JoinAttempt,
        resolved: &ResolvedKey,
        request: JoinRequest,
        decision: AdmissionDecision,
    ) -> Result<JoinOutcome> {
        let (id, member, now) = (resolved.session(), attempt.caller.account, self.now());
        let until = now + self.deps.sessions.settings().rules.seat;
        let held = self.deps.addresses.hold_seat(
            id,
            member,
            attempt.site.address,
            (now, until),
            self.policy.seats_per_address,
        );
        held.map_err(|wait| {
            let error = Error::new(
                ErrorCode::LimitExceeded,
                "too many people at your address have a seat here and have not connected yet",
            );
            error.retry_after(wait)
        })?;
        let outcome = self
            .propose_arrival(
                attempt.caller,
                resolved,
                request,
                decision == AdmissionDecision::Approval,
            )
            .await;
        if !matches!(outcome, Ok((_, JoinStatus::Admitted(_)))) {
            self.deps.addresses.give_up_seat(id, member);
        }
        outcome
    }

    async fn propose_arrival(
        &self,
        caller: Caller,
        resolved: &ResolvedKey,
        request: JoinRequest,
        approval: bool,
    ) -> Result<JoinOutcome> {
        let JoinRequest {
            profile,
            point,
            device,
            knock,
            origin,
        } = request;
        let (id, who, now) = (resolved.session(), caller.account, self.now());
        let propose = |via, approval| {
            let arrival = Arrival {
                profile,
                point,
                device,
                via,
                approval,
                knock,
                origin: Some(origin),
            };
            let read_status =
                move |state: &State| (state.face_session(), join_status(state, who, now));
            self.deps
                .sessions
                .propose_and(id, Input::Arrive(Box::new(arrival)), read_status)
        };
        match resolved {
            ResolvedKey::Code(_) => propose(Via::Code, approval).await,
            ResolvedKey::Invite(invite) => {
                let _lock = self.invite_locks.lock(who).await;
                let spent = self.spend_invite(caller, invite).await?;
                let outcome = propose(Via::Invite, approval || invite.approval).await;
                if let Err(error) = &outcome {
                    self.refund_invite(invite, spent, error).await;
                }
                outcome
            }
        }
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
