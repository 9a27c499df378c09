//! `members` and `remove`: lists the members of a session, and removes one for its host.

use super::FaceSessions;
use faceshare_biz::Result;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::instruction::Member;
use faceshare_biz::domain::{MemberId, SessionId};
use faceshare_exec::{Input, State};

impl FaceSessions {
    /// The members in the order in which they joined, with their points connected now; of an ended
    /// session the members at its end.
    ///
    /// # Errors
    /// `NOT_FOUND` to callers who are not members.
    pub async fn members(&self, caller: Caller, id: SessionId) -> Result<Vec<Member>> {
        self.visible_session(caller, id).await?;
        self.deps.sessions.read(id, State::roster).await
    }

    /// Removes a member, who cannot come back. For an hour, unproven callers from the member's
    /// addresses need the host's approval.
    ///
    /// # Errors
    /// `NOT_FOUND` (the session or the member), `SESSION_ENDED`, `FORBIDDEN`; `INVALID_ARGUMENT`
    /// with path `memberId` for the host itself.
    pub async fn remove(&self, caller: Caller, id: SessionId, member: MemberId) -> Result<()> {
        self.hosted_session(caller, id).await?;
        self.deps
            .sessions
            .propose(
                id,
                Input::Remove {
                    by: caller.account,
                    member,
                },
            )
            .await?;
        self.bar_address_of(id, member).await
    }
}
