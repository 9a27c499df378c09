//! A member is gone: the changes that follow, however it left.

use crate::draft::Draft;
use crate::entry::{Change, Info};
use crate::follow_change;
use crate::session_auto_end::{self, Cause};
use faceshare_biz::domain::MemberId;
use faceshare_biz::domain::facesession::HostLeft;
use faceshare_biz::domain::instruction::{Event, Role};

/// Whether the leaver may come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Return {
    Allowed,
    Barred,
}

/// Takes a member out: its followers are freed, the host's place is passed on or the countdown to
/// the end begins. The event that says so comes first, then its consequences.
pub(crate) fn leave(draft: &mut Draft<'_>, member: MemberId, way_back: Return, event: Event) {
    draft.say(event);
    draft.change(match way_back {
        Return::Allowed => Change::Left { member },
        Return::Barred => Change::Removed { member },
    });
    draft.graph.leave(member);
    follow_change::settle(draft);
    let mut cause = Cause::of(draft.state);
    let others = draft.state.present - 1;
    if member == draft.state.info.host && !promote(draft, others) {
        cause.host_gone = Some(draft.now);
    }
    if others == 0 {
        cause.empty = Some(draft.now);
    }
    session_auto_end::settle(draft, cause);
}

/// The host gives its place back without ever having come.
pub(crate) fn host_stays_away(draft: &mut Draft<'_>) {
    if !promote(draft, draft.state.present) {
        let cause = Cause {
            host_gone: Some(draft.now),
            ..Cause::of(draft.state)
        };
        session_auto_end::settle(draft, cause);
    }
}

/// Makes the longest-present online member the host, where the session is set so. `false`: the host
/// stays who it was.
fn promote(draft: &mut Draft<'_>, member_count: u32) -> bool {
    let state = draft.state;
    if state.info.host_left != HostLeft::Promote {
        return false;
    }
    let others = state
        .present()
        .filter(|(id, presence)| *id != state.info.host && presence.online());
    let Some((_, successor)) = others.map(|(id, presence)| (presence.joined_at, id)).min() else {
        return false;
    };
    let info = Info {
        host: successor,
        ..state.info.clone()
    };
    let mut session = state.face_session();
    session.host = successor;
    session.member_count = member_count;
    draft.change(Change::Info(info));
    draft.say(Event::SessionChange(session));
    if let Some(mut member) = state.member(successor) {
        member.role = Role::Host;
        member.follow = draft.graph.edge(successor);
        draft.say(Event::MemberChange(member));
    }
    true
}
