//! `get`: a session, for its members.

use super::FaceSessions;
use crate::instruction::RenderedSession;
use faceshare_biz::Result;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::account::Caller;
use std::sync::Arc;

impl FaceSessions {
    /// The session as it is now, or as it was at its end.
    ///
    /// # Errors
    /// `NOT_FOUND` to callers who are not members.
    pub async fn get(&self, caller: Caller, id: SessionId) -> Result<Arc<RenderedSession>> {
        Ok(self.visible_session(caller, id).await?.session)
    }
}
