//! `quit`: leaving without a socket.

use super::FaceSessions;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::{Error, Result};
use faceshare_exec::{Access, Input};

impl FaceSessions {
    /// The caller leaves, with all its points. Leaving twice is leaving.
    ///
    /// # Errors
    /// `NOT_FOUND` to all who never were in, or whom the host removed; `SESSION_ENDED`.
    pub async fn quit(&self, caller: Caller, id: SessionId) -> Result<()> {
        let seen = self.look(caller, id).await?;
        match seen.access {
            Access::Removed | Access::Stranger => return Err(Error::not_found()),
            Access::Host | Access::Present | Access::Admitted | Access::Left => {
                seen.while_it_goes_on()?
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
