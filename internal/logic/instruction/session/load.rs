//! Loads a session from its log.

use super::actor::ActorDeps;
use crate::instruction::codec::{decode_entry, decode_state};
use crate::instruction::window::ResumeWindow;
use faceshare_biz::Result;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::Loaded;
use faceshare_exec::{State, apply};

/// A session as loaded from its log.
pub(crate) struct Recovered {
    /// The state at the end of the log.
    pub(crate) state: State,
    /// The entries that clients can resume from.
    pub(crate) window: ResumeWindow,
    /// The log may have lost entries at its end: the session must go on in a new epoch.
    pub(crate) suspect: bool,
}

/// Reads a session from its log; `None`: there is no such session.
pub(crate) async fn load(deps: &ActorDeps, id: SessionId) -> Result<Option<Recovered>> {
    let Some(Loaded {
        snapshot,
        records,
        retained,
        suspect,
    }) = deps.log.load(id).await?
    else {
        return Ok(None);
    };
    let Some(snapshot) = snapshot else {
        return Ok(None);
    };
    let mut state = decode_state(&snapshot.payload)?;
    for record in &records {
        apply(&mut state, &decode_entry(&record.payload)?);
        debug_assert_eq!(state.index(), record.index, "invariant: the log has no gap");
    }
    let window = ResumeWindow::new(retained, deps.settings.resume);
    Ok(Some(Recovered {
        state,
        window,
        suspect,
    }))
}
