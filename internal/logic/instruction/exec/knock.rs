//! Knocks: who waits at the door until the host answers, and `admit` and `deny`, the answers.
//!
//! Nothing of it is in the order that everybody sees: the host's points are told apart, and the one
//! who knocked asks. A knock that is over is remembered for a while, so that both learn how it
//! ended.

use crate::draft::Draft;
use crate::entry::{Arrival, Change, Reject, Via};
use crate::seat;
use crate::state::{ByPoint, Membership, Person, State, Timer};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::facesession::Admission;
use faceshare_biz::domain::instruction::{Device, KnockState, MemberKnock, Origin, Profile};
use faceshare_biz::domain::{KnockId, MemberId, PointId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// A knock that is over is remembered until this long after it would have expired: longer than
/// anybody asks for it.
const REMEMBERED: Duration = Duration::from_secs(120);
/// And so many of those at most; beyond, the oldest are forgotten.
const REMEMBERED_MOST: usize = 200;

/// A request to join that the host answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knock {
    /// Which.
    pub id: KnockId,
    /// Who.
    pub profile: Profile,
    /// The point it becomes when it is let in.
    pub point: PointId,
    /// What that is.
    pub device: Device,
    /// Where it comes from.
    pub origin: Option<Origin>,
    /// Unanswered until then, it expires.
    pub until: Timestamp,
    /// How it stands.
    pub state: KnockState,
}

/// What the host says to a knock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnockAnswer {
    /// Come in.
    Admit,
    /// Stay out.
    Deny,
}

impl Knock {
    /// Whether it is not answered yet.
    #[must_use]
    pub const fn waits(&self) -> bool {
        matches!(self.state, KnockState::Waiting)
    }

    /// What the host is told of it.
    #[must_use]
    pub fn told(&self) -> MemberKnock {
        let Self {
            id, until, state, ..
        } = *self;
        MemberKnock {
            id,
            nickname: self.profile.nickname.clone(),
            device: self.device.clone(),
            expires_at: until,
            state,
        }
    }
}

/// An account joins with a code or an invite: it gets a seat or a waiting knock. A knock that waits
/// already stays.
pub(crate) fn arrive(draft: &mut Draft<'_>, arrival: Arrival) -> Result<(), Reject> {
    let Arrival {
        profile,
        point,
        device,
        via,
        approval,
        knock,
        origin,
    } = arrival;
    let state = draft.state;
    let approval = approval && state.is_stranger(profile.id)
        || via == Via::Code && state.wants_approval(profile.id);
    if !approval {
        return seat::step(draft, profile, point, device, via);
    }
    if state.knock_of(profile.id).is_some() {
        return Ok(());
    }
    seat::check(state, profile.id, draft.now, via)?;
    let waiting = || state.knocks.values().filter(|k| k.waits());
    if waiting().count() >= draft.rules.knocks {
        return Err(Reject::new(
            ErrorCode::LimitExceeded,
            "as many people as is allowed wait to be let in; try again later",
        ));
    }
    if origin.is_some()
        && waiting().filter(|k| k.origin == origin).count() >= draft.rules.knocks_per_address
    {
        return Err(Reject::new(
            ErrorCode::LimitExceeded,
            "as many people as is allowed wait to be let in from your address",
        ));
    }
    let (until, device) = (draft.now + draft.rules.knock, device.unwrap_or_default());
    draft.change(Change::Knocked(Box::new(Knock {
        id: knock,
        profile,
        point,
        device,
        origin,
        until,
        state: KnockState::Waiting,
    })));
    Ok(())
}

/// `admit` and `deny`.
pub(crate) fn step(
    draft: &mut Draft<'_>,
    by: MemberId,
    nonce: u64,
    knock: Option<KnockId>,
    said: KnockAnswer,
) -> Result<(), Reject> {
    let knock = knock.ok_or_else(|| Reject::invalid("knockId", "is required"))?;
    answer(draft, by, knock, said)?;
    draft.remember_silent_nonce(by, nonce);
    Ok(())
}

/// The host answers each knock once. The host may admit while the session is locked, but not while
/// it is full.
pub(crate) fn answer(
    draft: &mut Draft<'_>,
    by: MemberId,
    knock: KnockId,
    answer: KnockAnswer,
) -> Result<(), Reject> {
    let state = draft.state;
    if by != state.info.host {
        return Err(Reject::new(
            ErrorCode::Forbidden,
            "only the host may do that",
        ));
    }
    let Some(knock) = state.knocks.get(&knock) else {
        return Err(Reject::new(
            ErrorCode::NotFound,
            "no knock waits under this id",
        ));
    };
    if !knock.waits() {
        return Err(Reject::new(
            ErrorCode::Conflict,
            "this knock is over already",
        ));
    }
    draft.by(by);
    let (id, who) = (knock.id, knock.profile.id);
    if answer == KnockAnswer::Deny {
        seat::make_room(draft, who);
        draft.change(Change::KnockOver {
            knock: id,
            state: KnockState::Denied,
        });
        return Ok(());
    }
    if !state.has_room_for(who, draft.now) {
        return Err(Reject::new(ErrorCode::LimitExceeded, "the session is full"));
    }
    seat::make_room(draft, who);
    draft.change(Change::KnockOver {
        knock: id,
        state: KnockState::Admitted,
    });
    let Knock {
        profile,
        point,
        device,
        ..
    } = knock.clone();
    draft.change(Change::Seated {
        profile,
        point,
        device: Some(device),
        until: draft.now + draft.rules.seat,
    });
    Ok(())
}

/// The host did not answer in time, or the account that waits is gone.
pub(crate) fn expire(draft: &mut Draft<'_>, knock: KnockId) {
    draft.change(Change::KnockOver {
        knock,
        state: KnockState::Expired,
    });
}

/// The one who knocked goes away. A knock that is over stays as it ended.
pub(crate) fn withdraw(draft: &mut Draft<'_>, by: MemberId, knock: KnockId) {
    if draft
        .state
        .knock(knock)
        .is_some_and(|knock| knock.waits() && knock.profile.id == by)
    {
        expire(draft, knock);
    }
}

/// An account gets a seat; its knock, if it has one, no longer waits.
pub(crate) fn let_in(draft: &mut Draft<'_>, who: MemberId) {
    if let Some(knock) = draft.state.knock_of(who) {
        let knock = knock.id;
        draft.change(Change::KnockOver {
            knock,
            state: KnockState::Admitted,
        });
    }
}

impl State {
    /// The knocks that wait for an answer, oldest first.
    pub fn waiting(&self) -> impl Iterator<Item = &Knock> {
        self.knocks.values().filter(|knock| knock.waits())
    }

    /// A knock, waiting or remembered.
    #[must_use]
    pub fn knock(&self, id: KnockId) -> Option<&Knock> {
        self.knocks.get(&id)
    }

    /// The waiting knock of an account.
    #[must_use]
    pub fn knock_of(&self, who: MemberId) -> Option<&Knock> {
        self.waiting().find(|knock| knock.profile.id == who)
    }

    /// Whether the host did not let this one in.
    #[must_use]
    pub fn is_denied(&self, who: MemberId) -> bool {
        self.people
            .get(&who)
            .is_some_and(|p| p.standing == Membership::Denied)
    }

    /// Whether the session has never let this one in.
    pub(crate) fn is_stranger(&self, who: MemberId) -> bool {
        who != self.info.host && !self.people.contains_key(&who)
    }

    /// Whether an account that joins by code needs the host's approval. An account that was
    /// admitted before does not.
    pub(crate) fn wants_approval(&self, who: MemberId) -> bool {
        self.info.admission == Admission::Approval && self.is_stranger(who)
    }

    pub(crate) fn knocked(&mut self, knock: &Knock, at: Timestamp) {
        self.knocks
            .retain(|_, k| k.waits() || k.until + REMEMBERED > at);
        self.timers.insert((knock.until, Timer::Knock(knock.id)));
        self.knocks.insert(knock.id, knock.clone());
    }

    pub(crate) fn knock_over(&mut self, id: KnockId, state: KnockState) {
        let Some(knock) = self.knocks.get_mut(&id) else {
            return;
        };
        knock.state = state;
        self.timers.remove(&(knock.until, Timer::Knock(id)));
        if state == KnockState::Denied {
            let profile = knock.profile.clone();
            self.people
                .entry(profile.id)
                .or_insert_with(|| barred(profile));
        }
        let over = self.knocks.values().filter(|k| !k.waits()).count();
        if over > REMEMBERED_MOST {
            let oldest = self.knocks.values().find(|k| !k.waits()).map(|k| k.id);
            oldest.map(|id| self.knocks.remove(&id));
        }
    }
}

fn barred(profile: Profile) -> Person {
    let (devices, nonces) = (ByPoint::with_capacity(1), VecDeque::new());
    Person {
        profile,
        standing: Membership::Denied,
        seat_until: Timestamp::default(),
        devices,
        nonces,
        was_present: false,
    }
}
