//! `prejoin`: a number code or an invite becomes a seat and a session token.

use super::door::Admittance;
use super::guess::{Lead, Visitor, not_joinable, parse_key};
use super::{DeviceInput, Entered, FaceSessions, Key, carry_through};
use crate::text::{FieldChecks, checked};
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::{CodeRecord, FaceSession, Invite, InviteUse};
use faceshare_biz::domain::instruction::{Device, Profile};
use faceshare_biz::domain::{PointId, Site, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};
use faceshare_exec::{Access, Input, State, Via};

/// What is proposed when the key is good.
struct Seat {
    profile: Profile,
    point: PointId,
    device: Option<Device>,
}

/// The session, and until when a seat holds the place; `None`: being a member does.
type Taken = (FaceSession, Option<Timestamp>);

impl FaceSessions {
    /// Lets the caller in as a new point, and holds a place until it connects.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with path `numberCode`, `device.name` or `device.kind`; `RATE_LIMITED` when a budget of wrong codes is spent;
    /// `LIMIT_EXCEEDED` when too many from the same address have a seat and do not connect; else `NUMBER_CODE_NOT_JOINABLE`, for whatever
    /// reason.
    pub async fn prejoin(&self, caller: Caller, site: Site, key: Key, device: Option<DeviceInput>) -> Result<Entered> {
        let mut checks = FieldChecks::default();
        let key = parse_key(&mut checks, key);
        let device = device.map(|d| checks.device("device", d.name.as_deref(), d.kind.as_deref()));
        checks.finish()?;
        let key = checked(key)?;
        let seat = Seat { profile: self.profile(caller).await?, point: self.new_point()?, device };
        let (this, point) = (self.clone(), seat.point);
        let visitor = Visitor { caller, site };
        let enter = |lead: Lead, admittance| {
            carry_through(async move {
                if admittance == Admittance::Approval {
                    return Err(not_joinable());
                }
                let taken = this.take_seat(visitor, &lead, seat).await?;
                if let Lead::Code(code) = &lead {
                    this.prolong(code).await;
                }
                Ok(taken)
            })
        };
        let (session, seat) = self.guess(visitor, &key, enter).await?;
        let token = self.session_token(caller, session.id, point)?;
        // The place of somebody who is a member already is held by being one: the token is all that expires.
        let seat_expires_at = seat.unwrap_or(token.expires_at);
        Ok(Entered { session, token, seat_expires_at })
    }

    /// Takes a seat in the session that the key leads to, unless too many seats of its address are not used; the session, and until when the seat
    /// is held.
    async fn take_seat(&self, who: Visitor, lead: &Lead, seat: Seat) -> Result<Taken> {
        let (id, member, now) = (lead.session(), who.caller.account, self.now());
        let until = now + self.deps.sessions.settings().rules.seat;
        let held = self.deps.addresses.hold_seat(id, member, who.site.address, (now, until), self.policy.seats_per_address);
        held.map_err(|wait| {
            let error = Error::new(ErrorCode::LimitExceeded, "too many people at your address have a seat here and have not connected yet");
            error.retry_after(wait)
        })?;
        let outcome = self.propose_seat(who.caller, lead, seat).await;
        if outcome.is_err() {
            self.deps.addresses.give_up_seat(id, member);
        }
        outcome
    }

    async fn propose_seat(&self, caller: Caller, lead: &Lead, seat: Seat) -> Result<Taken> {
        let Seat { profile, point, device } = seat;
        let (id, who) = (lead.session(), caller.account);
        let taken = move |state: &State| {
            let held = state.presence(who).is_none().then(|| state.seat_expires_at(who)).flatten();
            (state.face_session(), held)
        };
        let propose = |via| self.deps.sessions.propose_and(id, Input::Seat { profile, point, device, via }, taken);
        match lead {
            Lead::Code(_) => propose(Via::Code).await,
            Lead::Invite(invite) => {
                let spent = self.spend(caller, invite).await?;
                let outcome = propose(Via::Invite).await;
                if let Err(error) = &outcome {
                    self.refund(invite, spent, error).await;
                }
                outcome
            }
        }
    }

    /// Spends a use of the invite, unless the caller is in already: whether it did.
    async fn spend(&self, caller: Caller, invite: &Invite) -> Result<bool> {
        match self.look(caller, invite.session).await?.access {
            Access::Host | Access::Present | Access::Admitted => Ok(false),
            Access::Left | Access::Removed | Access::Stranger => match self.deps.invites.spend(invite.fingerprint, self.now()).await? {
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
        let Some(end) = self.policy.codes.later_end(code, now) else { return };
        if let Err(error) = self.deps.codes.extend(code.fingerprint, now, end).await {
            tracing::warn!(session = %code.session, %error, cause = ?error.cause(), "a number code was used and not prolonged");
        }
    }
}
