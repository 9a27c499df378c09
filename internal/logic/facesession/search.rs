//! `search`: the preview of a number code's session.

use super::guess::{Guess, may_enter, not_joinable, too_many};
use super::{FaceSessions, Key, Preview};
use crate::text::{FieldChecks, checked};
use faceshare_biz::Result;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::facesession::Admission;
use faceshare_biz::domain::{MemberId, Site, Timestamp};
use faceshare_exec::State;

impl FaceSessions {
    /// The session behind a number code, if the caller could join it now.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with path `numberCode` when malformed; `RATE_LIMITED` when a budget of
    /// wrong codes is used up, for guests also that of the whole installation;
    /// `NUMBER_CODE_NOT_JOINABLE` for every other reason.
    pub async fn search(&self, caller: Caller, site: Site, number_code: &str) -> Result<Preview> {
        let mut checks = FieldChecks::default();
        let key = self.parse_key(&mut checks, Key::NumberCode(number_code.to_owned()));
        checks.finish()?;
        let key = checked(key)?;
        if caller.guest
            && let Some(wait) = self.deps.budgets.pressure(self.now()).await?.spent
        {
            return Err(too_many(wait));
        }
        let this = self.clone();
        self.answer_guess(caller, async move {
            let guess = this.resolve(caller, site, &key).await?;
            let found = this.look_up(caller, site, &guess).await;
            this.finish(guess, found).await
        })
        .await
    }

    async fn look_up(&self, caller: Caller, site: Site, guess: &Guess) -> Result<Preview> {
        let needs_approval = self.needs_approval(caller, site, guess).await?;
        let (who, now) = (caller.account, self.now());
        let seen = self
            .deps
            .sessions
            .read(guess.resolved.session(), move |state| {
                preview(state, who, now)
            })
            .await?;
        let mut preview = seen.ok_or_else(not_joinable)?;
        if needs_approval {
            preview.admission = Admission::Approval;
        }
        Ok(preview)
    }
}

/// The preview for a caller who could join by code now; `None`: it could not.
fn preview(state: &State, who: MemberId, now: Timestamp) -> Option<Preview> {
    let session = state.face_session();
    let joinable = may_enter(state, who) && state.has_room_for(who, now);
    let host = state.profile(session.host).filter(|_| joinable)?;
    Some(Preview {
        title: session.title,
        host_nickname: host.nickname.clone(),
        member_count: session.member_count,
        admission: session.admission,
    })
}
