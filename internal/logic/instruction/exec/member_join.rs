//! `memberJoin`: the first point of a member connects; further points make a `memberChange`.

use crate::draft::Draft;
use crate::entry::{Change, Reject};
use crate::member_change;
use crate::session_auto_end::{self, Cause};
use crate::state::{Follow, Membership, Presence};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{Edge, EdgeReason, Event, Invite, Member, PointInfo};
use faceshare_biz::domain::{MemberId, PointId};

/// Connects a point: a newcomer joins, a member gets one more point or its old one back.
pub(crate) fn step(
    draft: &mut Draft<'_>,
    member: MemberId,
    point: PointId,
    incarnation: u64,
) -> Result<(), Reject> {
    draft.by(member);
    match draft.state.person(member).map(|p| &p.standing) {
        Some(Membership::Denied) | None => Err(Reject::new(
            ErrorCode::Unauthenticated,
            "you are not in this session",
        )),
        Some(Membership::Removed) => Err(Reject::new(
            ErrorCode::Forbidden,
            "the host removed you from this session",
        )),
        Some(Membership::Present(presence)) => {
            reconnect(draft, member, presence, point, incarnation)
        }
        Some(Membership::Admitted | Membership::Left) => {
            if !draft.state.has_room_for(member, draft.now) {
                return Err(Reject::new(ErrorCode::LimitExceeded, "the session is full"));
            }
            join(draft, member, point, incarnation);
            Ok(())
        }
    }
}

fn join(draft: &mut Draft<'_>, member: MemberId, point: PointId, incarnation: u64) {
    draft.change(Change::Joined { member });
    draft.change(Change::PointUp {
        member,
        point,
        incarnation,
    });
    let edge = attach(draft, member);
    if let Some(member) = newcomer(draft, member, point, edge) {
        draft.say(Event::MemberJoin(member));
    }
    let mut cause = Cause {
        empty: None,
        ..Cause::of(draft.state)
    };
    if member == draft.state.info.host {
        cause.host_gone = None;
    }
    session_auto_end::settle(draft, cause);
}

/// Under ON a newcomer follows the presenter from the start; its edge travels in `memberJoin`.
fn attach(draft: &mut Draft<'_>, member: MemberId) -> Option<Edge> {
    let presenter = draft
        .state
        .presenting
        .filter(|p| p.invite == Invite::On)?
        .member;
    let reason = EdgeReason::Presenter;
    let follow = Follow {
        attached: true,
        root: Some(presenter),
        reason,
        ..Follow::default()
    };
    draft.change(Change::Follow { member, follow });
    Some(Edge {
        member,
        target: Some(presenter),
        root: Some(presenter),
        suspended: false,
        reason,
    })
}

fn newcomer(
    draft: &Draft<'_>,
    id: MemberId,
    point: PointId,
    follow: Option<Edge>,
) -> Option<Member> {
    let person = draft.state.person(id)?;
    let profile = &person.profile;
    let device = person.devices.get(&point).cloned().unwrap_or_default();
    Some(Member {
        id,
        nickname: profile.nickname.clone(),
        avatar_url: profile.avatar_url.clone(),
        role: draft.state.role(profile),
        online: true,
        points: vec![PointInfo { id: point, device }],
        joined_at: draft.now,
        follow,
    })
}

/// The same point again is a new incarnation and is not announced; another point is announced, and
/// so are those that it replaces.
fn reconnect(
    draft: &mut Draft<'_>,
    member: MemberId,
    presence: &Presence,
    point: PointId,
    incarnation: u64,
) -> Result<(), Reject> {
    let known = presence.points.contains_key(&point);
    let others = presence.points.iter().filter(|(id, _)| **id != point);
    let connected = others
        .clone()
        .filter(|(_, p)| p.announce_at.is_none())
        .count();
    if !known && connected >= draft.rules.points_per_member {
        return Err(Reject::new(
            ErrorCode::LimitExceeded,
            "you are connected from as many devices as is allowed",
        ));
    }
    // A lost point that is not announced yet gives way, so that others never see more points than
    // are allowed.
    let mut lost: Vec<_> = others
        .filter(|(_, p)| p.announce_at.is_some())
        .map(|(id, _)| *id)
        .collect();
    lost.truncate(
        (presence.points.len() + usize::from(!known)).saturating_sub(draft.rules.points_per_member),
    );
    for point in &lost {
        draft.change(Change::PointGone {
            member,
            point: *point,
        });
    }
    draft.change(Change::PointUp {
        member,
        point,
        incarnation,
    });
    if !known || !lost.is_empty() {
        member_change::tell_points(draft, member, (!known).then_some(point), &lost);
    }
    Ok(())
}
