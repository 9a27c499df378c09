//! `pointState`: an app goes to the background, or comes back. It is not announced; a longer grace
//! will apply.

use crate::draft::Draft;
use crate::entry::Change;
use faceshare_biz::domain::{MemberId, PointId};

/// Notes it for the point that says so.
pub(crate) fn step(draft: &mut Draft<'_>, member: MemberId, point: PointId, background: bool) {
    let before = draft
        .state
        .presence(member)
        .and_then(|p| p.points.get(&point));
    if before.is_some_and(|p| p.background != background) {
        draft.change(Change::Background {
            member,
            point,
            background,
        });
    }
}
