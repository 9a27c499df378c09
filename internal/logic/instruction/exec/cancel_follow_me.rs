//! `cancelFollowMe`: the presenting ends, and everybody has its own target back.

use crate::draft::Draft;
use crate::entry::Reject;
use crate::follow_change;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::MemberId;
use faceshare_biz::domain::instruction::{EdgeReason, Event};

/// The presenter's to say, or the host's.
pub(crate) fn step(draft: &mut Draft<'_>, by: MemberId) -> Result<(), Reject> {
    let may = draft
        .state
        .presenting
        .is_some_and(|p| p.member == by || by == draft.state.info.host);
    if !may {
        return Err(Reject::new(ErrorCode::NotPresenting, "you do not present"));
    }
    draft.say(Event::CancelFollowMe);
    draft.graph.stop_presenting(EdgeReason::Cancelled);
    follow_change::settle(draft);
    Ok(())
}
