//! `httpQuit`: a member leaves without a socket.

use crate::draft::Draft;
use crate::entry::{Change, Reject};
use crate::leave::{Return, host_stays_away, leave};
use crate::state::Membership;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::MemberId;
use faceshare_biz::domain::instruction::Event;

/// A member leaves; an account that was admitted and never connected gives its seat up without an
/// event.
pub(crate) fn step(draft: &mut Draft<'_>, member: MemberId) -> Result<(), Reject> {
    draft.by(member);
    match draft.state.person(member).map(|p| &p.standing) {
        Some(Membership::Present(_)) => {
            leave(draft, member, Return::Allowed, Event::HttpQuit { member })
        }
        Some(Membership::Admitted) => {
            draft.change(Change::Left { member });
            if member == draft.state.info.host {
                host_stays_away(draft);
            }
        }
        Some(Membership::Left)
            if draft
                .state
                .seat_expires_at(member)
                .is_some_and(|until| until > draft.now) =>
        {
            draft.change(Change::Left { member });
        }
        Some(Membership::Left) => {}
        Some(Membership::Removed | Membership::Denied) | None => {
            return Err(Reject::new(
                ErrorCode::NotFound,
                "you are not in this session",
            ));
        }
    }
    Ok(())
}
