//! Ending sign-ins: what a family of tokens could do, it can do no more.
//!
//! A revocation is written down first and spread second. Who hangs up in between is carried through; a process that dies in between reads
//! at its next start what was written.

use super::Accounts;
use crate::facesession::carry_through;
use faceshare_biz::Result;
use faceshare_biz::domain::account::Caller;
use faceshare_biz::domain::{FamilyId, Timestamp};

impl Accounts {
    /// Revokes the caller's family: its tokens are refused, its connections closed, its session tokens do not resume.
    ///
    /// # Errors
    /// `UNAVAILABLE` when it could not be written down; then nothing has changed.
    pub async fn sign_out(&self, caller: Caller) -> Result<()> {
        let accounts = self.clone();
        carry_through(async move {
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
    use crate::account::fakes::{HERE, House};
    use faceshare_biz::ErrorCode;
    use faceshare_biz::domain::account::{Password, RevocationRegistry};

    #[tokio::test]
    async fn signing_out_ends_this_sign_in_and_no_other() {
        let house = House::new();
        house.member("ann_1", "password").await;
        let accounts = house.accounts();
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
    async fn reuse_of_a_refresh_token_is_spread_like_a_sign_out() {
        let house = House::new();
        let first = house
            .accounts()
            .sign_up_guest("Ann")
            .await
            .expect("a guest")
            .tokens;
        let second = house
            .accounts()
            .refresh(&first.refresh.token)
            .await
            .expect("refreshed")
            .tokens;
        house
            .accounts()
            .refresh(&second.refresh.token)
            .await
            .expect("refreshed");
        let caller = house
            .accounts()
            .authenticate(&second.access.token)
            .expect("a caller");
        house
            .accounts()
            .refresh(&first.refresh.token)
            .await
            .expect_err("reuse");
        assert!(house.revocations.is_revoked(caller.family));
    }
}
