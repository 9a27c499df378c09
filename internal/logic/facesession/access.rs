//! Access checks: which callers may read a session, and which may change it.

use super::FaceSessions;
use crate::instruction::{MemberAccess, RenderedSession, SessionView};
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::Status;
use faceshare_biz::domain::{SessionId, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};
use faceshare_exec::Access;
use std::sync::Arc;

/// A session, and the caller's access to it.
#[derive(Debug)]
pub(super) struct SessionAccess {
    /// The caller's access.
    pub(super) access: Access,
    /// The session's committed state.
    pub(super) session: Arc<RenderedSession>,
}

impl SessionAccess {
    /// # Errors
    /// `NOT_FOUND` unless the caller is a member now, or was one at the session's end.
    pub(super) fn require_participant(self) -> Result<Self> {
        match self.access {
            Access::Host | Access::Present | Access::Admitted => Ok(self),
            Access::Left | Access::Removed | Access::Stranger => Err(Error::not_found()),
        }
    }

    /// # Errors
    /// `SESSION_ENDED` when the session has ended.
    pub(super) fn require_live(self) -> Result<Self> {
        match self.session.status() {
            Status::Active => Ok(self),
            Status::Ended => Err(Error::new(ErrorCode::SessionEnded, "the session is over")),
        }
    }

    /// # Errors
    /// `FORBIDDEN` when the caller is not the host.
    pub(super) fn require_host(self) -> Result<Self> {
        match self.access {
            Access::Host => Ok(self),
            _ => Err(Error::new(
                ErrorCode::Forbidden,
                "only the host may do this",
            )),
        }
    }
}

impl FaceSessions {
    /// The session and the caller's access to it, unchecked.
    pub(super) async fn session_access(
        &self,
        caller: Caller,
        id: SessionId,
    ) -> Result<SessionAccess> {
        let SessionView { session, member } = self.deps.sessions.view(id, caller.account).await?;
        Ok(SessionAccess {
            access: access(member, self.now()),
            session,
        })
    }

    /// A session that the caller may read.
    pub(super) async fn visible_session(
        &self,
        caller: Caller,
        id: SessionId,
    ) -> Result<SessionAccess> {
        self.session_access(caller, id).await?.require_participant()
    }

    /// A live session that the caller hosts.
    pub(super) async fn hosted_session(
        &self,
        caller: Caller,
        id: SessionId,
    ) -> Result<Arc<RenderedSession>> {
        Ok(self
            .visible_session(caller, id)
            .await?
            .require_live()?
            .require_host()?
            .session)
    }
}

/// A member who left and holds a seat again counts as admitted already before it connects.
pub(super) fn access(member: MemberAccess, now: Timestamp) -> Access {
    match member.access {
        Access::Left if member.seat_expires_at.is_some_and(|until| until > now) => Access::Admitted,
        access => access,
    }
}
