//! `followMe`: present, take over, or change how.

use crate::draft::Draft;
use crate::entry::Reject;
use crate::follow_change;
use crate::state::State;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::MemberId;
use faceshare_biz::domain::instruction::{EdgeReason, Event, Invite, Lock, Presenting};

/// The host may name any online member, lock, and take over. Others may start to present while no
/// member does, and change their own invite.
pub(crate) fn step(
    draft: &mut Draft<'_>,
    by: MemberId,
    invite: Invite,
    lock: Lock,
    named: Option<MemberId>,
) -> Result<(), Reject> {
    let state = draft.state;
    let presenter = named.unwrap_or(by);
    check(state, by, presenter, invite, lock)?;
    match state.presenting {
        Some(now) if now.member == presenter => draft.graph.present(Presenting {
            invite,
            lock,
            ..now
        }),
        _ => {
            draft.graph.stop_presenting(EdgeReason::Cancelled);
            let term = state.last_term + 1;
            draft.graph.present(Presenting {
                member: presenter,
                invite,
                lock,
                term,
                since: draft.now,
            });
        }
    }
    if invite == Invite::On {
        draft.graph.attach_all(presenter);
    }
    draft.say(Event::FollowMe {
        invite,
        lock,
        presenter: named,
    });
    follow_change::settle(draft);
    draft.withdraw_a_lone_event();
    Ok(())
}

fn check(
    state: &State,
    by: MemberId,
    presenter: MemberId,
    invite: Invite,
    lock: Lock,
) -> Result<(), Reject> {
    let host = by == state.info.host;
    if lock == Lock::Hard && invite != Invite::On {
        return Err(Reject::invalid("followMe.lock", "HARD needs the invite ON"));
    }
    if !host && (lock == Lock::Hard || presenter != by) {
        return Err(Reject::new(
            ErrorCode::Forbidden,
            "only the host may lock or name another presenter",
        ));
    }
    if !state.presence(presenter).is_some_and(|p| p.online()) {
        return Err(Reject::new(
            ErrorCode::MemberNotFound,
            "the presenter must be online",
        ));
    }
    match state.presenting {
        Some(now) if now.member != presenter && !host => Err(Reject::new(
            ErrorCode::PresenterActive,
            "another member presents",
        )),
        _ => Ok(()),
    }
}
