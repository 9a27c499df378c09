//! `patch`: the host changes a session.

use super::{FaceSessions, PatchInput};
use crate::text::FieldChecks;
use faceshare_biz::Result;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::FaceSession;
use faceshare_exec::{Input, Patch};

impl FaceSessions {
    /// Changes the given fields. Every member of the session is informed.
    ///
    /// # Errors
    /// `NOT_FOUND`, `SESSION_ENDED`, `FORBIDDEN`, then `INVALID_ARGUMENT` with the fields' paths.
    pub async fn patch(
        &self,
        caller: Caller,
        id: SessionId,
        input: PatchInput,
    ) -> Result<FaceSession> {
        let session = self.hosted_session(caller, id).await?;
        let patch = self.check_patch(&input)?;
        if patch == Patch::default() {
            return Ok(FaceSession::clone(&session));
        }
        let session = self
            .deps
            .sessions
            .propose(
                id,
                Input::Patch {
                    by: caller.account,
                    patch,
                },
            )
            .await?;
        self.deps.projector.flush(id).await;
        Ok(session)
    }

    fn check_patch(&self, input: &PatchInput) -> Result<Patch> {
        let mut checks = FieldChecks::default();
        let title = input
            .title
            .as_deref()
            .and_then(|title| checks.title("title", title, self.policy.title_max));
        if let Some(max_members) = input.max_members {
            checks.number("maxMembers", max_members, &(1..=self.policy.members_max));
        }
        checks.finish()?;
        let &PatchInput {
            admission,
            max_members,
            host_left,
            locked,
            ..
        } = input;
        Ok(Patch {
            title,
            admission,
            max_members,
            host_left,
            locked,
        })
    }
}
