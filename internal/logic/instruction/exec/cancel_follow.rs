//! `cancelFollow`: stop following, or pause.

use crate::draft::Draft;
use crate::entry::Reject;
use crate::follow_change;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::MemberId;
use faceshare_biz::domain::instruction::{EdgeReason, Event, Lock, Suspend};

/// Stopping forgets the own target too; pausing keeps everything for the way back.
pub(crate) fn step(
    draft: &mut Draft<'_>,
    by: MemberId,
    suspend: Option<Suspend>,
) -> Result<(), Reject> {
    let state = draft.state;
    let locked = state
        .presenting
        .is_some_and(|p| p.lock == Lock::Hard && p.member != by);
    if locked && by != state.info.host {
        return Err(Reject::new(
            ErrorCode::FollowLocked,
            "the presenter holds everybody",
        ));
    }
    let follows = draft.graph.target(by).is_some();
    draft.say(Event::CancelFollow { suspend });
    match suspend {
        Some(_) => draft
            .graph
            .set(by, EdgeReason::Choice, |follow| follow.suspended |= follows),
        None => draft.graph.set(by, EdgeReason::Cancelled, |follow| {
            (follow.target, follow.attached, follow.suspended) = (None, false, false);
        }),
    }
    follow_change::settle(draft);
    draft.withdraw_a_lone_event();
    Ok(())
}
