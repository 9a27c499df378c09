//! `cancelAutoEnd`: the host wants the session to go on.

use crate::draft::Draft;
use crate::entry::Reject;
use crate::session_auto_end::{self, Cause};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::MemberId;

/// The host's to say. Its presence ends the other causes, so what it cancels is the scheduled end,
/// for good.
pub(crate) fn step(draft: &mut Draft<'_>, by: MemberId) -> Result<(), Reject> {
    if by != draft.state.info.host {
        return Err(Reject::new(
            ErrorCode::Forbidden,
            "only the host may do that",
        ));
    }
    if draft.state.auto_end.is_none() {
        return Err(Reject::new(ErrorCode::NothingToCancel, "no countdown runs"));
    }
    session_auto_end::settle(
        draft,
        Cause {
            host_gone: None,
            empty: None,
            scheduled: None,
        },
    );
    Ok(())
}
