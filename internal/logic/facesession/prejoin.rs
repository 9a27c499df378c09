//! `prejoin`: a number code or an invite becomes a seat and a session token, or a knock and a wait token.

use super::access::access;
use super::door::Admittance;
use super::guess::{Lead, Visitor, not_joinable};
use super::{DeviceInput, Entered, FaceSessions, Key, Prejoined, carry_through};
use crate::instruction::MemberAccess;
use crate::text::{FieldChecks, checked};
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::{CodeRecord, FaceSession, Invite, InviteUse};
use faceshare_biz::domain::instruction::{Device, Origin, Profile};
use faceshare_biz::domain::port::SecretUse;
use faceshare_biz::domain::{KnockId, MemberId, PointId, SessionId, Site, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};
use faceshare_exec::{Access, Arrival, Input, State, Via};
use std::net::IpAddr;

/// Who comes to the door, whatever the key says.
struct Arriving {
    profile: Profile,
    point: PointId,
    device: Option<Device>,
    /// The knock it becomes if the host must let it in.
    knock: KnockId,
    origin: Origin,
}

/// How the caller stands once its arrival is committed.
pub(super) enum Place {
    /// It is in; `None`: its place is not held by a seat.
    In(Option<Timestamp>),
    /// It waits.
    Waits(KnockId, Timestamp),
    /// Neither: what it came to was undone meanwhile.
    Out,
}

/// The session, and the caller's place in it.
type Taken = (FaceSession, Place);

impl FaceSessions {
    /// Lets the caller in as a new point and holds a place until it connects, or lets it wait for the host. Who waits already goes on
    /// waiting.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with path `numberCode`, `device.name` or `device.kind`; `RATE_LIMITED` when a budget of wrong codes is spent;
    /// `LIMIT_EXCEEDED` when too many from the same address have a seat and do not connect, or too many wait; else
    /// `NUMBER_CODE_NOT_JOINABLE`, for whatever reason.
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
        let arriving = Arriving {
            profile,
            point,
            device,
            knock: self.new_knock()?,
            origin: self.origin(site.address),
        };
        let (this, visitor) = (self.clone(), Visitor { caller, site });
        let enter = |lead: Lead, admittance| {
            carry_through(async move {
                let (session, place) = this
                    .take_place(visitor, &lead, arriving, admittance)
                    .await?;
                if let Place::Waits(..) = place {
                    this.still_there(caller, session.id).await?;
                }
                if let (Lead::Code(code), Place::In(_)) = (&lead, &place) {
                    this.prolong(code).await;
                }
                this.placed(caller, session, point, place)
            })
        };
        self.guess(visitor, &key, enter).await
    }

    /// An account that goes is looked for where it waits. One that went while it knocked was not found: its knock is taken back here.
    async fn still_there(&self, caller: Caller, id: SessionId) -> Result<()> {
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

    /// An address as knocks keep it: what is written down cannot be read as one.
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

    /// Takes a seat in the session that the key leads to, or knocks, unless too many seats of its address are not used.
    async fn take_place(
        &self,
        who: Visitor,
        lead: &Lead,
        arriving: Arriving,
        admittance: Admittance,
    ) -> Result<Taken> {
        let (id, member, now) = (lead.session(), who.caller.account, self.now());
        let until = now + self.deps.sessions.settings().rules.seat;
        let held = self.deps.addresses.hold_seat(
            id,
            member,
            who.site.address,
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
            .arrive(
                who.caller,
                lead,
                arriving,
                admittance == Admittance::Approval,
            )
            .await;
        if !matches!(outcome, Ok((_, Place::In(_)))) {
            self.deps.addresses.give_up_seat(id, member);
        }
        outcome
    }

    async fn arrive(
        &self,
        caller: Caller,
        lead: &Lead,
        arriving: Arriving,
        approval: bool,
    ) -> Result<Taken> {
        let Arriving {
            profile,
            point,
            device,
            knock,
            origin,
        } = arriving;
        let (id, who, now) = (lead.session(), caller.account, self.now());
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
            let taken = move |state: &State| (state.face_session(), place(state, who, now));
            self.deps
                .sessions
                .propose_and(id, Input::Arrive(Box::new(arrival)), taken)
        };
        match lead {
            Lead::Code(_) => propose(Via::Code, approval).await,
            Lead::Invite(invite) => {
                let _turn = self.by_invite.of(who).await;
                let spent = self.spend(caller, invite).await?;
                let outcome = propose(Via::Invite, approval || invite.approval).await;
                if let Err(error) = &outcome {
                    self.refund(invite, spent, error).await;
                }
                outcome
            }
        }
    }

    /// Spends a use of the invite, unless the caller is in or waits already: whether it did.
    async fn spend(&self, caller: Caller, invite: &Invite) -> Result<bool> {
        match self.look(caller, invite.session).await?.access {
            Access::Host | Access::Present | Access::Admitted => Ok(false),
            Access::Stranger if self.waits(caller, invite.session).await? => Ok(false),
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

    /// Gives back a use that came to nothing. Where it is not known whether it did, the use stays spent: too few rather than too many.
    async fn refund(&self, invite: &Invite, spent: bool, why: &Error) {
        let refused = !matches!(why.code, ErrorCode::Unavailable | ErrorCode::Internal);
        if spent
            && refused
            && let Err(error) = self.deps.invites.refund(invite.fingerprint).await
        {
            tracing::warn!(session = %invite.session, %error, cause = ?error.cause(), "a use of an invite is lost");
        }
    }

    /// A code that is used lives on. That it does not when this fails keeps nobody out who is in.
    async fn prolong(&self, code: &CodeRecord) {
        let now = self.now();
        let Some(end) = self.policy.codes.later_end(code, now) else {
            return;
        };
        if let Err(error) = self.deps.codes.extend(code.fingerprint, now, end).await {
            tracing::warn!(session = %code.session, %error, cause = ?error.cause(), "a number code was used and not prolonged");
        }
    }

    async fn waits(&self, caller: Caller, id: SessionId) -> Result<bool> {
        let who = caller.account;
        self.deps
            .sessions
            .read(id, move |state| state.knock_of(who).is_some())
            .await
    }

    /// What the caller gets for its place in the session.
    pub(super) fn placed(
        &self,
        caller: Caller,
        session: FaceSession,
        point: PointId,
        place: Place,
    ) -> Result<Prejoined> {
        match place {
            Place::In(seat) => {
                let token = self.session_token(caller, session.id, point)?;
                // The place of somebody who is a member already is held by being one: the token is all that expires.
                let seat_expires_at = seat.unwrap_or(token.expires_at);
                Ok(Prejoined::Admitted(Entered {
                    session,
                    token,
                    seat_expires_at,
                }))
            }
            Place::Waits(knock, until) => Ok(Prejoined::Waiting(
                self.wait_token(caller, session.id, knock, until)?,
            )),
            Place::Out => Err(not_joinable()),
        }
    }
}

/// How somebody stands who has just arrived.
pub(super) fn place(state: &State, who: MemberId, now: Timestamp) -> Place {
    let member = MemberAccess {
        access: state.access(who),
        seat_expires_at: state.seat_expires_at(who),
    };
    match access(member, now) {
        Access::Present => Place::In(None),
        Access::Host => Place::In(
            state
                .presence(who)
                .is_none()
                .then(|| state.seat_expires_at(who))
                .flatten(),
        ),
        Access::Admitted | Access::Left => Place::In(state.seat_expires_at(who)),
        Access::Removed => Place::Out,
        Access::Stranger => state
            .knock_of(who)
            .map_or(Place::Out, |knock| Place::Waits(knock.id, knock.until)),
    }
}
