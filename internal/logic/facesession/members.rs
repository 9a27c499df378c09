//! `members` and `remove`: who is in a session, and who no longer is by its host's wish.

use super::FaceSessions;
use faceshare_biz::Result;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::instruction::Member;
use faceshare_biz::domain::{MemberId, SessionId};
use faceshare_exec::{Input, State};

impl FaceSessions {
    /// The members by the time they joined, as they are connected right now; of an ended session those at its end.
    ///
    /// # Errors
    /// `NOT_FOUND` to all but its people.
    pub async fn members(&self, caller: Caller, id: SessionId) -> Result<Vec<Member>> {
        self.seen(caller, id).await?;
        self.deps.sessions.read(id, State::roster).await
    }

    /// The host removes a member, who cannot come back; if it is a guest, other guests from its address must be let in for an hour.
    ///
    /// # Errors
    /// `NOT_FOUND` (the session or the member), `SESSION_ENDED`, `FORBIDDEN`; `INVALID_ARGUMENT` with path `memberId` for the host itself.
    pub async fn remove(&self, caller: Caller, id: SessionId, member: MemberId) -> Result<()> {
        self.hosted(caller, id).await?;
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
