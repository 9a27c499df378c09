//! `memberChange`: the points of a member come and go, and with the last one its presence.

use crate::draft::Draft;
use crate::entry::Change;
use faceshare_biz::domain::instruction::{Event, PointInfo};
use faceshare_biz::domain::{MemberId, PointId, Timestamp};

/// A connection is gone. This is not announced yet: it may come back within the debounce. A
/// connection that was replaced changes nothing.
pub(crate) fn point_lost(draft: &mut Draft<'_>, point: PointId, incarnation: u64) {
    let holder = draft.state.present().find(|(_, presence)| {
        presence
            .points
            .get(&point)
            .is_some_and(|p| p.incarnation == incarnation && p.announce_at.is_none())
    });
    if let Some((member, _)) = holder {
        let announce_at = draft.now + draft.rules.debounce;
        draft.change(Change::PointDown {
            member,
            point,
            announce_at,
        });
    }
}

/// The process has restarted: all connections are gone, and every grace starts now, because no
/// member could come back while it was down.
pub(crate) fn restart(draft: &mut Draft<'_>) {
    let announce_at = draft.now + draft.rules.debounce;
    for (member, presence) in draft.state.present() {
        for (point, _) in presence
            .points
            .iter()
            .filter(|(_, p)| p.announce_at.is_none())
        {
            draft.change(Change::PointDown {
                member,
                point: *point,
                announce_at,
            });
        }
        let until = draft.now + draft.rules.grace;
        if presence.away_until.is_some_and(|away| away < until) {
            draft.change(Change::Away { member, until });
        }
    }
}

/// The debounce of a lost point is over: everybody is told, and if it was the last one the grace
/// runs, counted from the loss.
pub(crate) fn announce_loss(
    draft: &mut Draft<'_>,
    member: MemberId,
    point: PointId,
    announce_at: Timestamp,
) {
    draft.change(Change::PointGone { member, point });
    let Some(presence) = draft.state.presence(member) else {
        return;
    };
    let background = presence.points.get(&point).is_some_and(|p| p.background);
    if presence.points.len() == 1 {
        let grace = if background {
            draft.rules.background_grace
        } else {
            draft.rules.grace
        };
        let lost_at = announce_at - draft.rules.debounce;
        draft.change(Change::Away {
            member,
            until: (lost_at + grace).max(draft.now),
        });
    }
    tell_points(draft, member, None, &[point]);
}

/// Says how a member is with one point more, or some fewer.
pub(crate) fn tell_points(
    draft: &mut Draft<'_>,
    id: MemberId,
    added: Option<PointId>,
    gone: &[PointId],
) {
    let (Some(mut member), Some(person)) = (draft.state.member(id), draft.state.person(id)) else {
        return;
    };
    member.points.retain(|p| !gone.contains(&p.id));
    if let Some(point) = added {
        let device = person.devices.get(&point).cloned().unwrap_or_default();
        member.points.push(PointInfo { id: point, device });
        member.points.sort_by_key(|p| p.id);
    }
    member.online = !member.points.is_empty();
    draft.say(Event::MemberChange(member));
}
