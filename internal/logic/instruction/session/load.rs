//! A session comes back from its log.

use super::actor::ActorDeps;
use crate::instruction::codec::{decode_entry, decode_state};
use crate::instruction::window::ResumeWindow;
use faceshare_biz::Result;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::Loaded;
use faceshare_exec::{State, apply};

/// The state at the end of the log and what of it can be resumed; `None`: no such session.
pub(crate) async fn load(deps: &ActorDeps, id: SessionId) -> Result<Option<(State, ResumeWindow)>> {
    Ok(load_with_doubts(deps, id).await?.map(|(state, window, _)| (state, window)))
}

/// The same, and whether the log may have lost entries at its end.
pub(crate) async fn load_with_doubts(deps: &ActorDeps, id: SessionId) -> Result<Option<(State, ResumeWindow, bool)>> {
    let Some(Loaded { snapshot, records, retained, suspect }) = deps.log.load(id).await? else { return Ok(None) };
    let Some(snapshot) = snapshot else { return Ok(None) };
    let mut state = decode_state(&snapshot.payload)?;
    for record in &records {
        apply(&mut state, &decode_entry(&record.payload)?);
        debug_assert_eq!(state.index(), record.index, "invariant: the log has no gap");
    }
    Ok(Some((state, ResumeWindow::new(retained, deps.settings.resume), suspect)))
}
