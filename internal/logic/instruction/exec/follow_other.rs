//! `followOther`: follow one member.

use crate::draft::Draft;
use crate::entry::Reject;
use crate::follow_change;
use crate::state::State;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::MemberId;
use faceshare_biz::domain::instruction::{EdgeReason, Event, Lock};

/// Following the presenter attaches and keeps the own target for later; following anybody else
/// detaches. Both end a pause.
pub(crate) fn step(
    draft: &mut Draft<'_>,
    by: MemberId,
    target: Option<MemberId>,
) -> Result<(), Reject> {
    let target = target.ok_or_else(|| Reject::invalid("followOther.target", "names no member"))?;
    check(draft.state, by, target)?;
    let attach = draft.state.presenting.is_some_and(|p| p.member == target);
    if !attach && draft.graph.leads_to(target, by) {
        return Err(Reject::new(
            ErrorCode::FollowCycle,
            "that member follows you already",
        ));
    }
    draft.say(Event::FollowOther { target });
    let reason = if attach {
        EdgeReason::Presenter
    } else {
        EdgeReason::Choice
    };
    draft.graph.set(by, reason, |follow| {
        follow.suspended = false;
        follow.attached = attach;
        if !attach {
            follow.target = Some(target);
        }
    });
    follow_change::settle(draft);
    draft.withdraw_a_lone_event();
    Ok(())
}

fn check(state: &State, by: MemberId, target: MemberId) -> Result<(), Reject> {
    if by == target {
        return Err(Reject::new(
            ErrorCode::FollowSelf,
            "a member cannot follow itself",
        ));
    }
    if state.presence(target).is_none() {
        return Err(Reject::new(
            ErrorCode::MemberNotFound,
            "there is no such member here",
        ));
    }
    match state.presenting {
        Some(now) if now.member == by => Err(Reject::new(
            ErrorCode::PresenterActive,
            "you present: end that first",
        )),
        Some(now) if now.member != target && now.lock == Lock::Hard && by != state.info.host => {
            Err(Reject::new(
                ErrorCode::FollowLocked,
                "the presenter holds everybody",
            ))
        }
        _ => Ok(()),
    }
}
