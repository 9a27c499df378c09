//! A seat: an account is admitted and may connect. It is announced when it connects.

use crate::draft::Draft;
use crate::entry::{Change, Reject, Via};
use crate::knock;
use crate::state::{Membership, State};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{Device, Event, Profile};
use faceshare_biz::domain::{MemberId, PointId, Timestamp};

/// Gives `profile` a point to connect as, and holds a place for it if it is not a member now.
/// By code or invite every refusal is the same, so that a code tells nothing about its session.
pub(crate) fn step(
    draft: &mut Draft<'_>,
    profile: Profile,
    point: PointId,
    device: Option<Device>,
    via: Via,
) -> Result<(), Reject> {
    if via == Via::Code && draft.state.wants_approval(profile.id) {
        return Err(not_joinable());
    }
    check(draft.state, profile.id, draft.now, via)?;
    make_room(draft, profile.id);
    let state = draft.state;
    let person = state.person(profile.id);
    let (present, until) = match person.map(|p| &p.standing) {
        Some(Membership::Present(_)) => {
            (true, state.seat_expires_at(profile.id).unwrap_or_default())
        }
        _ => (false, draft.now + draft.rules.seat),
    };
    let renewed = person.is_some_and(|p| {
        p.profile == profile && p.devices.contains_key(&point) && device.is_none()
    });
    if present && renewed {
        return Ok(());
    }
    if present {
        tell_changes(
            draft,
            &profile,
            device.as_ref().map(|device| (point, device)),
        );
    }
    knock::let_in(draft, profile.id);
    draft.change(Change::Seated {
        profile,
        point,
        device,
        until,
    });
    Ok(())
}

/// Whether an account may have a seat, or may knock for one.
pub(crate) fn check(state: &State, who: MemberId, now: Timestamp, via: Via) -> Result<(), Reject> {
    judge(state, who, now, via).map_err(|reject| match via {
        Via::Code | Via::Invite => not_joinable(),
        Via::Token => reject,
    })
}

fn not_joinable() -> Reject {
    Reject::new(
        ErrorCode::NumberCodeNotJoinable,
        "this code or invite does not work",
    )
}

fn judge(state: &State, who: MemberId, now: Timestamp, via: Via) -> Result<(), Reject> {
    if state.is_ended() {
        return Err(Reject::new(ErrorCode::SessionEnded, "the session is over"));
    }
    match state.person(who).map(|p| &p.standing) {
        Some(Membership::Removed) => {
            return Err(Reject::new(
                ErrorCode::Forbidden,
                "the host removed you from this session",
            ));
        }
        Some(Membership::Denied) | None if via == Via::Token => {
            return Err(Reject::new(
                ErrorCode::NotFound,
                "you are not in this session",
            ));
        }
        Some(Membership::Denied) => {
            return Err(Reject::new(
                ErrorCode::Forbidden,
                "the host did not let you in",
            ));
        }
        None if state.info.locked => {
            return Err(Reject::new(ErrorCode::Forbidden, "the session is locked"));
        }
        _ => {}
    }
    if state.has_room_for(who, now) {
        Ok(())
    } else {
        Err(Reject::new(ErrorCode::LimitExceeded, "the session is full"))
    }
}

/// A member shows its new nickname, picture, role or device at once.
pub(crate) fn tell_changes(
    draft: &mut Draft<'_>,
    profile: &Profile,
    device: Option<(PointId, &Device)>,
) {
    let Some(before) = draft.state.member(profile.id) else {
        return;
    };
    let mut member = before.clone();
    member.nickname = profile.nickname.clone();
    member.avatar_url = profile.avatar_url.clone();
    member.role = draft.state.role(profile);
    if let Some((point, device)) = device
        && let Some(listed) = member.points.iter_mut().find(|p| p.id == point)
    {
        listed.device = device.clone();
    }
    if member != before {
        draft.by(profile.id);
        draft.say(Event::MemberChange(member));
    }
}

/// People who are not here are remembered up to a bound, so that a session's state is bounded too.
/// Those removed or denied are forgotten last.
pub(crate) fn make_room(draft: &mut Draft<'_>, newcomer: MemberId) {
    let state = draft.state;
    if state.people.len() < draft.rules.people_remembered || state.people.contains_key(&newcomer) {
        return;
    }
    let absent = state.people.iter().filter(|(id, p)| {
        **id != state.info.host
            && p.seat_until <= draft.now
            && !matches!(p.standing, Membership::Present(_))
    });
    let oldest = absent
        .min_by_key(|(id, p)| {
            (
                matches!(p.standing, Membership::Removed | Membership::Denied),
                **id,
            )
        })
        .map(|(id, _)| *id);
    if let Some(member) = oldest {
        draft.change(Change::Forgotten { member });
    }
}
