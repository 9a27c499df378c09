//! `search`: what a number code leads to, before one goes in.

use super::guess::{not_joinable, parse_key};
use super::{FaceSessions, Key, Preview};
use crate::text::{FieldChecks, checked};
use faceshare_biz::Result;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::{MemberId, Timestamp};
use faceshare_exec::{Access, State};

impl FaceSessions {
    /// The session behind a number code, if the caller could join it now.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with path `numberCode` when malformed; else `NUMBER_CODE_NOT_JOINABLE`, for whatever reason.
    pub async fn search(&self, caller: Caller, number_code: &str) -> Result<Preview> {
        let mut checks = FieldChecks::default();
        let key = parse_key(&mut checks, Key::NumberCode(number_code.to_owned()));
        checks.finish()?;
        let key = checked(key)?;
        let preview = self
            .guess(caller, async {
                let lead = self.resolve(&key).await?;
                let (who, now) = (caller.account, self.now());
                self.deps.sessions.read(lead.session(), move |state| preview(state, who, now)).await?.ok_or_else(not_joinable)
            })
            .await?;
        Ok(preview)
    }
}

/// What somebody sees who could come in by code now; `None`: it could not. The kernel judges the same way when a seat is asked for.
fn preview(state: &State, who: MemberId, now: Timestamp) -> Option<Preview> {
    let session = state.face_session();
    let welcome = match state.access(who) {
        Access::Removed => false,
        Access::Stranger => !session.locked,
        Access::Host | Access::Present | Access::Admitted | Access::Left => true,
    };
    let joinable = welcome && session.ended.is_none() && state.has_room_for(who, now);
    let host = state.profile(session.host).filter(|_| joinable)?;
    Some(Preview {
        title: session.title,
        host_nickname: host.nickname.clone(),
        member_count: session.member_count,
        admission: session.admission,
    })
}
