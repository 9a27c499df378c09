//! Who may see a session, and who may change it.

use super::FaceSessions;
use crate::instruction::{MemberAccess, RenderedSession, SessionView};
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::Status;
use faceshare_biz::domain::{SessionId, Timestamp};
use faceshare_biz::{Error, ErrorCode, Result};
use faceshare_exec::Access;
use std::sync::Arc;

/// A session, and what the caller is in it.
#[derive(Debug)]
pub(super) struct Seen {
    /// What the caller is.
    pub(super) access: Access,
    /// The session, as it is committed.
    pub(super) session: Arc<RenderedSession>,
}

impl Seen {
    /// # Errors
    /// `NOT_FOUND` unless the caller is one of its people now, or was at its end.
    pub(super) fn by_its_people(self) -> Result<Self> {
        match self.access {
            Access::Host | Access::Present | Access::Admitted => Ok(self),
            Access::Left | Access::Removed | Access::Stranger => Err(Error::not_found()),
        }
    }

    /// # Errors
    /// `SESSION_ENDED` when it is over.
    pub(super) fn while_it_goes_on(self) -> Result<Self> {
        match self.session.status() {
            Status::Active => Ok(self),
            Status::Ended => Err(Error::new(ErrorCode::SessionEnded, "the session is over")),
        }
    }

    /// # Errors
    /// `FORBIDDEN` when another one hosts it.
    pub(super) fn by_its_host(self) -> Result<Self> {
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
    /// What the caller is in a session, whatever that is.
    pub(super) async fn look(&self, caller: Caller, id: SessionId) -> Result<Seen> {
        let SessionView { session, member } = self.deps.sessions.view(id, caller.account).await?;
        Ok(Seen {
            access: access(member, self.now()),
            session,
        })
    }

    /// A session that the caller may see.
    pub(super) async fn seen(&self, caller: Caller, id: SessionId) -> Result<Seen> {
        self.look(caller, id).await?.by_its_people()
    }

    /// A session that the caller may change.
    pub(super) async fn hosted(
        &self,
        caller: Caller,
        id: SessionId,
    ) -> Result<Arc<RenderedSession>> {
        Ok(self
            .seen(caller, id)
            .await?
            .while_it_goes_on()?
            .by_its_host()?
            .session)
    }
}

/// Somebody who left and was let in again counts as let in from then on, not only once it connects.
pub(super) fn access(member: MemberAccess, now: Timestamp) -> Access {
    match member.access {
        Access::Left if member.seat_expires_at.is_some_and(|until| until > now) => Access::Admitted,
        access => access,
    }
}
