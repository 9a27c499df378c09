//! `quit`: a member leaves, loses its place, or is removed.

use crate::draft::Draft;
use crate::entry::{Change, Reject};
use crate::leave::{Return, leave};
use crate::state::Membership;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::MemberId;
use faceshare_biz::domain::instruction::{Event, QuitReason};

/// By its own wish.
pub(crate) fn step(draft: &mut Draft<'_>, member: MemberId) {
    leave(
        draft,
        member,
        Return::Allowed,
        Event::Quit {
            member,
            reason: QuitReason::Left,
        },
    );
}

/// Its grace ran out.
pub(crate) fn time_out(draft: &mut Draft<'_>, member: MemberId) {
    leave(
        draft,
        member,
        Return::Allowed,
        Event::Quit {
            member,
            reason: QuitReason::Timeout,
        },
    );
}

/// The host removes a member. One that was admitted and is not present is barred without an event.
pub(crate) fn remove(draft: &mut Draft<'_>, by: MemberId, member: MemberId) -> Result<(), Reject> {
    if by != draft.state.info.host {
        return Err(Reject::new(
            ErrorCode::Forbidden,
            "only the host may do that",
        ));
    }
    if by == member {
        return Err(Reject::invalid(
            "memberId",
            "the host cannot remove itself; end the session or quit",
        ));
    }
    draft.by(by);
    match draft.state.person(member).map(|p| &p.standing) {
        Some(Membership::Present(_)) => leave(
            draft,
            member,
            Return::Barred,
            Event::Quit {
                member,
                reason: QuitReason::Removed,
            },
        ),
        Some(Membership::Admitted | Membership::Left) => draft.change(Change::Removed { member }),
        Some(Membership::Removed) => {}
        Some(Membership::Denied) | None => {
            return Err(Reject::new(
                ErrorCode::NotFound,
                "there is no such member here",
            ));
        }
    }
    Ok(())
}
