//! Ends the sessions whose logs are lost: the directory lists them as live, and the log file does
//! not hold them.
//!
//! Such a session cannot go on, because its members are unknown. Its host sees it ended by the
//! platform, and its code and invites end with it.

use super::FaceSessions;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::facesession::{EndReason, Ended, FaceSession};
use faceshare_biz::domain::instruction::{Device, Profile};
use faceshare_biz::{ErrorCode, Result};
use faceshare_exec::Genesis;

impl FaceSessions {
    /// Ends every session that is listed as live and lost its log. Returns their number. For the
    /// start, before any other use of the directory. An earlier attempt may have been cut off at any
    /// point. A session whose log never began stays as it is.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the directory or the log cannot be read or written.
    pub async fn end_lost(&self) -> Result<usize> {
        let mut lost = 0;
        for id in self.deps.directory.live().await? {
            let read = self
                .deps
                .sessions
                .read(id, |state| (state.index(), state.face_session()));
            let ended = match read.await {
                Ok((index, session)) => self.list_as_ended(index, session).await?,
                Err(error) if error.code == ErrorCode::NotFound => self.end_begun(id).await?,
                // One log that cannot be read must not keep all other sessions from coming back.
                Err(error) if error.code == ErrorCode::Internal => false,
                Err(error) => return Err(error),
            };
            lost += usize::from(ended);
        }
        Ok(lost)
    }

    /// Ends a session that has no log, if it had one. `false`: it never began.
    async fn end_begun(&self, id: SessionId) -> Result<bool> {
        let Some(listed) = self.deps.directory.find(id).await? else {
            return Ok(false);
        };
        // The first entry alone is not written down, but after it the session got its code. Any time in the code's life shows it.
        let began = self.deps.directory.log_index(id).await? > Some(0)
            || self
                .deps
                .codes
                .current(id, listed.created_at)
                .await?
                .is_some();
        if began {
            self.end_without_log(listed).await?;
        }
        Ok(began)
    }

    /// Goes on where an earlier attempt was cut off after it had created the log of an ended
    /// session: the row comes from a later entry of the lost log, so the projector would leave it as
    /// it is. `false`: it is an ordinary log.
    async fn list_as_ended(&self, index: u64, session: FaceSession) -> Result<bool> {
        let listed_at = self.deps.directory.log_index(session.id).await?;
        if session.ended.is_none() || listed_at <= Some(index) {
            return Ok(false);
        }
        self.deps.projector.write_lost(session).await?;
        Ok(true)
    }

    async fn end_without_log(&self, listed: FaceSession) -> Result<()> {
        match self.deps.accounts.find(listed.host).await? {
            Some(host) => {
                let guest = host.is_guest();
                let host = Profile {
                    id: host.id,
                    nickname: host.nickname,
                    avatar_url: host.avatar_url.into(),
                    guest,
                };
                let session = self.create_ended_log(&listed, host).await?;
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

    /// Creates a log that holds only the session's end. Returns the ended session.
    async fn create_ended_log(&self, listed: &FaceSession, host: Profile) -> Result<FaceSession> {
        let genesis = Genesis {
            id: listed.id,
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
        self.deps.sessions.create_ended(genesis).await
    }
}
