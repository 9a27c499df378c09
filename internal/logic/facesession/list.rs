//! `list`: the caller's own sessions.

use super::FaceSessions;
use faceshare_biz::Result;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::{FaceSession, Status};
use faceshare_biz::domain::{Page, PageRequest, SessionId};
use faceshare_exec::State;

impl FaceSessions {
    /// The sessions that the caller hosts or hosted, newest first. Live sessions are shown in their
    /// present state.
    pub async fn list(
        &self,
        caller: Caller,
        page: PageRequest<SessionId>,
    ) -> Result<Page<FaceSession, SessionId>> {
        let mut page = self
            .deps
            .directory
            .list_by_host(caller.account, page)
            .await?;
        for listed in page
            .items
            .iter_mut()
            .filter(|s| s.status() == Status::Active)
        {
            // The directory may lag behind the log; its row is used only while the log cannot be
            // read.
            if let Ok(current) = self
                .deps
                .sessions
                .read(listed.id, State::face_session)
                .await
            {
                *listed = current;
            }
        }
        Ok(page)
    }
}
