//! `end`: the host ends a session for all members.

use super::FaceSessions;
use faceshare_biz::Result;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::account::Caller;
use faceshare_exec::Input;

impl FaceSessions {
    /// Ends the session; its code and invite end with it.
    ///
    /// # Errors
    /// `NOT_FOUND`, `SESSION_ENDED`, `FORBIDDEN`.
    pub async fn end(&self, caller: Caller, id: SessionId) -> Result<()> {
        self.hosted_session(caller, id).await?;
        self.deps
            .sessions
            .propose(
                id,
                Input::End {
                    by: Some(caller.account),
                },
            )
            .await?;
        self.deps.projector.flush(id).await;
        Ok(())
    }
}
