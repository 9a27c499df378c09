//! What happens to an account is seen where its person is connected.

use super::sessions::Sessions;
use crate::account::AccountObserver;
use async_trait::async_trait;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::account::Account;
use faceshare_biz::domain::instruction::{CloseReason, Profile};
use faceshare_biz::domain::{AccountId, SessionId};
use faceshare_exec::Input;

#[async_trait]
impl AccountObserver for Sessions {
    async fn changed(&self, account: &Account) {
        let profile = Profile {
            id: account.id,
            nickname: account.nickname.clone(),
            avatar_url: account.avatar_url.as_str().into(),
            guest: account.is_guest(),
        };
        for session in self.points().sessions_of(account.id) {
            self.tell(session, Input::Profile(profile.clone())).await;
        }
    }

    async fn deleted(&self, account: AccountId) {
        self.points().set_gone(account);
        let mut sessions = self.points().sessions_of(account);
        sessions.extend(self.deps().waiters.sessions_of(account));
        // Before it leaves: its apps are to hear that they are signed out, not that they left.
        self.points()
            .close_member(account, CloseReason::Unauthenticated);
        for session in sessions {
            self.tell(session, Input::Gone { member: account }).await;
        }
    }
}

impl Sessions {
    /// The account is changed already: a session that cannot be told shows the old name until its
    /// person comes again.
    pub(crate) async fn tell(&self, session: SessionId, input: Input) {
        match self.propose(session, input).await {
            Ok(_) => {}
            Err(error) if matches!(error.code, ErrorCode::NotFound | ErrorCode::SessionEnded) => {}
            Err(error) => {
                tracing::warn!(%session, %error, cause = ?error.cause(), "a session was not told of a changed account")
            }
        }
    }
}
