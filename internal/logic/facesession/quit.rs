//! `quit`: a member leaves over HTTP.

use super::FaceSessions;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::{Error, Result};
use faceshare_exec::{Access, Input};

impl FaceSessions {
    /// The caller leaves with all its points. A second call succeeds and changes nothing.
    ///
    /// # Errors
    /// `NOT_FOUND` to callers who never were members or whom the host removed; `SESSION_ENDED`.
    pub async fn quit(&self, caller: Caller, id: SessionId) -> Result<()> {
        let seen = self.session_access(caller, id).await?;
        match seen.access {
            Access::Removed | Access::Stranger => return Err(Error::not_found()),
            Access::Host | Access::Present | Access::Admitted | Access::Left => {
                seen.require_live()?
            }
        };
        self.deps
            .sessions
            .propose(
                id,
                Input::HttpQuit {
                    member: caller.account,
                },
            )
            .await?;
        Ok(())
    }
}
