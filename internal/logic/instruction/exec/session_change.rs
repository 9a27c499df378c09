//! `sessionChange`: title, host, admission, lock or limits are different now.

use crate::draft::Draft;
use crate::entry::{Change, Info, Patch, Reject};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::MemberId;
use faceshare_biz::domain::facesession::FaceSession;
use faceshare_biz::domain::instruction::Event;

/// Only the host may change a session. A limit below the number of members removes none of them; it
/// only admits no further member.
pub(crate) fn step(draft: &mut Draft<'_>, by: MemberId, patch: Patch) -> Result<(), Reject> {
    let state = draft.state;
    if by != state.info.host {
        return Err(Reject::new(
            ErrorCode::Forbidden,
            "only the host may do that",
        ));
    }
    draft.by(by);
    let before = &state.info;
    let info = Info {
        title: patch.title.unwrap_or_else(|| before.title.clone()),
        host: before.host,
        admission: patch.admission.unwrap_or(before.admission),
        host_left: patch.host_left.unwrap_or(before.host_left),
        max_members: patch.max_members.unwrap_or(before.max_members),
        locked: patch.locked.unwrap_or(before.locked),
    };
    if info == *before {
        return Ok(());
    }
    let mut session = state.face_session();
    session.title = info.title.clone();
    (session.admission, session.host_left) = (info.admission, info.host_left);
    (session.max_members, session.locked) = (info.max_members, info.locked);
    draft.change(Change::Info(info));
    draft.say(Event::SessionChange(session));
    Ok(())
}

/// The installation's to say. It changes nothing that the host has chosen.
pub(crate) fn force(draft: &mut Draft<'_>, forced: bool) {
    let state = draft.state;
    if forced == state.admission_forced {
        return;
    }
    draft.change(Change::AdmissionForced(forced));
    draft.say(Event::SessionChange(FaceSession {
        admission_forced: forced,
        ..state.face_session()
    }));
}
