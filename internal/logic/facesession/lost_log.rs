//! Ends the sessions whose logs are lost: the log file was missing or empty, and the directory
//! still lists them as live.
//!
//! Such a session cannot go on, because its members are unknown. Its host sees it ended by the
//! platform, and its code and invites end with it.

use super::FaceSessions;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::facesession::{EndReason, Ended, FaceSession};
use faceshare_biz::domain::instruction::{Device, Profile};
use faceshare_biz::{ErrorCode, Result};
use faceshare_exec::{Genesis, Input, State};

impl FaceSessions {
    /// Ends every session that is listed as live and has no log. Returns their number. For a start
    /// with an empty log, before any other use of the directory.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the directory or the log cannot be read or written.
    pub async fn end_lost(&self) -> Result<usize> {
        let mut lost = 0;
        for id in self.deps.directory.live().await? {
            match self.deps.sessions.read(id, State::id).await {
                Err(error) if error.code == ErrorCode::NotFound => {}
                other => {
                    other?;
                    continue;
                }
            }
            let Some(listed) = self.deps.directory.find(id).await? else {
                continue;
            };
            self.end_without_log(listed).await?;
            lost += 1;
        }
        Ok(lost)
    }

    async fn end_without_log(&self, listed: FaceSession) -> Result<()> {
        let id = listed.id;
        match self.deps.accounts.find(listed.host).await? {
            Some(host) => {
                let guest = host.is_guest();
                let host = Profile {
                    id: host.id,
                    nickname: host.nickname,
                    avatar_url: host.avatar_url.into(),
                    guest,
                };
                self.create_ended_log(id, &listed, host).await?;
                let session = self.deps.sessions.read(id, State::face_session).await?;
                self.deps.projector.write_lost(session).await?;
            }
            // The host's account is deleted, so no caller can read the session: only its row in the
            // directory is ended.
            None => {
                let ended = Some(Ended {
                    at: self.now(),
                    reason: EndReason::Platform,
                });
                self.deps
                    .projector
                    .write_lost(FaceSession { ended, ..listed })
                    .await?;
            }
        }
        Ok(())
    }

    /// Creates a log that holds only the session's end.
    async fn create_ended_log(
        &self,
        id: SessionId,
        listed: &FaceSession,
        host: Profile,
    ) -> Result<()> {
        let genesis = Genesis {
            id,
            title: listed.title.clone(),
            host,
            admission: listed.admission,
            host_left: listed.host_left,
            max_members: listed.max_members,
            auto_end_after: None,
            epoch: self.deps.secrets.epoch(),
            point: self.new_point()?,
            device: Device::default(),
        };
        self.deps.sessions.create(genesis).await?;
        self.deps
            .sessions
            .propose(id, Input::End { by: None })
            .await
            .map(drop)
    }
}
