//! `sessEnd`: the last frame.

use crate::draft::Draft;
use crate::entry::{Change, Reject};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::MemberId;
use faceshare_biz::domain::facesession::{EndReason, Ended};
use faceshare_biz::domain::instruction::Event;

/// The host's to say, or the platform's (`None`).
pub(crate) fn step(draft: &mut Draft<'_>, by: Option<MemberId>) -> Result<(), Reject> {
    match by {
        Some(by) if by != draft.state.info.host => {
            return Err(Reject::new(
                ErrorCode::Forbidden,
                "only the host may do that",
            ));
        }
        Some(by) => {
            draft.by(by);
            end(draft, EndReason::HostEnded);
        }
        None => end(draft, EndReason::Platform),
    }
    Ok(())
}

/// Ends the session. Who was in it stays on record.
pub(crate) fn end(draft: &mut Draft<'_>, reason: EndReason) {
    draft.change(Change::Ended(Ended {
        at: draft.now,
        reason,
    }));
    draft.say(Event::SessEnd { reason });
}
