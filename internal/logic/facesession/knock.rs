//! `knocks`, `admit` and `deny`: the host lists the waiting knocks and answers them.

use super::FaceSessions;
use faceshare_biz::Result;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::instruction::MemberKnock;
use faceshare_biz::domain::{KnockId, SessionId};
use faceshare_exec::{Input, Knock, KnockAnswer};

impl FaceSessions {
    /// The knocks that wait for an answer, oldest first. For the host only.
    ///
    /// # Errors
    /// `NOT_FOUND`, `SESSION_ENDED`, `FORBIDDEN`.
    pub async fn knocks(&self, caller: Caller, id: SessionId) -> Result<Vec<MemberKnock>> {
        self.hosted_session(caller, id).await?;
        self.deps
            .sessions
            .read(id, |state| state.waiting().map(Knock::told).collect())
            .await
    }

    /// Answers a knock; its sender is informed at once.
    ///
    /// # Errors
    /// `NOT_FOUND` (the session or the knock), `SESSION_ENDED`, `FORBIDDEN`; `CONFLICT` when the
    /// knock is answered or expired; `LIMIT_EXCEEDED` when an admitted knock finds the session
    /// full: the knock goes on waiting.
    pub async fn answer_knock(
        &self,
        caller: Caller,
        id: SessionId,
        knock: KnockId,
        answer: KnockAnswer,
    ) -> Result<()> {
        self.hosted_session(caller, id).await?;
        self.deps
            .sessions
            .propose(
                id,
                Input::AnswerKnock {
                    by: caller.account,
                    knock,
                    answer,
                },
            )
            .await?;
        Ok(())
    }
}
