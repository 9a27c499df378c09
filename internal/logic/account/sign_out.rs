//! Sign-out: revokes a family of tokens.
//!
//! A revocation is stored first and announced second. Both steps run even if the caller disconnects
//! in between; a process that dies in between reads the stored revocations at its next start.

use super::Accounts;
use crate::facesession::run_to_completion;
use faceshare_biz::Result;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::{FamilyId, Timestamp};

impl Accounts {
    /// Revokes the caller's family: its tokens are refused, its connections closed, its session
    /// tokens do not resume.
    ///
    /// # Errors
    /// `UNAVAILABLE` when it could not be stored; then nothing has changed.
    pub async fn sign_out(&self, caller: Caller) -> Result<()> {
        let accounts = self.clone();
        run_to_completion(async move {
            accounts
                .revoke(caller.family, accounts.deps.clock.now())
                .await
        })
        .await
    }

    pub(super) async fn revoke(&self, family: FamilyId, at: Timestamp) -> Result<()> {
        self.deps.families.revoke(family, at).await?;
        self.deps.revocations.announce(&[family], at).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::account::fakes::{HERE, TestAccounts};
    use faceshare_biz::ErrorCode;
    use faceshare_biz::domain::account::{Password, RevocationRegistry};

    #[tokio::test]
    async fn signing_out_ends_this_sign_in_and_no_other() {
        let app = TestAccounts::new();
        app.member("ann_1", "password").await;
        let accounts = app.accounts();
        let sign_in = async || {
            accounts
                .sign_in("ann_1", &Password::new("password"), HERE)
                .await
                .expect("signed in")
                .tokens
        };
        let (here, there) = (sign_in().await, sign_in().await);
        let caller = accounts.authenticate(&here.access.token).expect("a caller");
        accounts.sign_out(caller).await.expect("signed out");
        assert_eq!(
            accounts
                .authenticate(&here.access.token)
                .expect_err("over")
                .code,
            ErrorCode::Unauthenticated
        );
        assert_eq!(
            accounts
                .refresh(&here.refresh.token)
                .await
                .expect_err("over")
                .code,
            ErrorCode::Unauthenticated
        );
        accounts
            .authenticate(&there.access.token)
            .expect("the other goes on");
        accounts
            .refresh(&there.refresh.token)
            .await
            .expect("the other goes on");
    }

    #[tokio::test]
    async fn reuse_of_a_refresh_token_is_announced_like_a_sign_out() {
        let app = TestAccounts::new();
        let first = app
            .accounts()
            .sign_up_guest("Ann")
            .await
            .expect("a guest")
            .tokens;
        let second = app
            .accounts()
            .refresh(&first.refresh.token)
            .await
            .expect("refreshed")
            .tokens;
        app.accounts()
            .refresh(&second.refresh.token)
            .await
            .expect("refreshed");
        let caller = app
            .accounts()
            .authenticate(&second.access.token)
            .expect("a caller");
        app.accounts()
            .refresh(&first.refresh.token)
            .await
            .expect_err("reuse");
        assert!(app.revocations.is_revoked(caller.family));
    }
}
