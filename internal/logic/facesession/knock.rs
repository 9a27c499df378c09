//! `knocks`, `admit` and `deny`: the host looks who waits at the door, and answers.

use super::FaceSessions;
use faceshare_biz::Result;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::instruction::MemberKnock;
use faceshare_biz::domain::{KnockId, SessionId};
use faceshare_exec::{Input, Knock, KnockAnswer};

impl FaceSessions {
    /// The knocks that wait for an answer, oldest first.
    ///
    /// # Errors
    /// `NOT_FOUND`, `SESSION_ENDED`, `FORBIDDEN`.
    pub async fn knocks(&self, caller: Caller, id: SessionId) -> Result<Vec<MemberKnock>> {
        self.hosted(caller, id).await?;
        self.deps
            .sessions
            .read(id, |state| state.waiting().map(Knock::told).collect())
            .await
    }

    /// Answers a knock; the one who knocked learns it at once.
    ///
    /// # Errors
    /// `NOT_FOUND` (the session or the knock), `SESSION_ENDED`, `FORBIDDEN`; `CONFLICT` when the knock is over; `LIMIT_EXCEEDED` when
    /// somebody is to be let in and the session is full: the knock goes on waiting.
    pub async fn answer_knock(
        &self,
        caller: Caller,
        id: SessionId,
        knock: KnockId,
        answer: KnockAnswer,
    ) -> Result<()> {
        self.hosted(caller, id).await?;
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
