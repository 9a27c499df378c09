//! Refresh of tokens: each refresh token works once, with a short overlap for lost answers and for
//! two tabs.
//!
//! A refresh token that is used later than that has leaked or was replayed. The server cannot tell
//! which of its two bearers is the thief, so the whole family is revoked.

use super::{Accounts, SignedIn, sign_in_again};
use faceshare_biz::constants::REFRESH_OVERLAP;
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::account::{
    Account, IssuedToken, RefreshClaims, Rotation, TokenFamily, TokenPair,
};
use faceshare_biz::domain::port::SecretUse;
use faceshare_biz::{Error, Result};

/// The most attempts of a refresh when a concurrent one was faster. The second attempt normally
/// finds the other's pair; the third is for a family that several clients refresh without pause.
const ATTEMPTS: usize = 3;

/// What a refresh token of some generation is answered with.
#[derive(Debug, PartialEq, Eq)]
enum RefreshVerdict<'a> {
    /// The token is of the newest pair: it gets a new pair.
    Rotate,
    /// The token was just used, and the pair it gave is still unused: it gets that sealed pair
    /// again.
    Repeat(&'a str),
    /// The token was used too long ago, or its successor was used already: the family is revoked.
    Reuse,
    /// The token gets nothing; the family is not touched.
    Refuse,
}

/// Decides on a token of `generation` by the state of its family.
fn judge(family: &TokenFamily, generation: u32, now: Timestamp) -> RefreshVerdict<'_> {
    if family.revoked_at.is_some() || family.expires_at <= now {
        return RefreshVerdict::Refuse;
    }
    match family.generation.checked_sub(generation) {
        Some(0) => RefreshVerdict::Rotate,
        Some(1) if now.since(family.rotated_at) < REFRESH_OVERLAP => family
            .sealed_pair
            .as_deref()
            .map_or(RefreshVerdict::Reuse, RefreshVerdict::Repeat),
        Some(_) => RefreshVerdict::Reuse,
        // Newer than the newest: the database has lost a rotation. That is not misuse, but the
        // chain is broken.
        None => RefreshVerdict::Refuse,
    }
}

impl Accounts {
    /// Exchanges a refresh token for a new pair.
    ///
    /// A token that was just used gives the same pair again within [`REFRESH_OVERLAP`], while its
    /// successor is unused; two concurrent uses get the same pair. Any other use of an old token
    /// revokes its family.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when the client must sign in again; `UNAVAILABLE` when other refreshes of
    /// the family were faster in every attempt.
    pub async fn refresh(&self, refresh_token: &str) -> Result<SignedIn> {
        let now = self.deps.clock.now();
        let claims = self
            .deps
            .tokens
            .verify_refresh(refresh_token, now)
            .map_err(|_| {
                sign_in_again("the refresh token is not valid, or no longer: sign in again")
            })?;
        let account = self
            .deps
            .accounts
            .find(claims.account)
            .await?
            .ok_or_else(|| sign_in_again("the account is gone: sign in again"))?;
        for _ in 0..ATTEMPTS {
            if let Some(tokens) = self.try_refresh(&account, claims, now).await? {
                return Ok(SignedIn { account, tokens });
            }
        }
        Err(Error::unavailable(
            "a concurrent refresh of the token family was faster in every attempt",
        ))
    }

    /// One attempt. `None`: a concurrent refresh was faster; the caller tries again.
    async fn try_refresh(
        &self,
        account: &Account,
        claims: RefreshClaims,
        now: Timestamp,
    ) -> Result<Option<TokenPair>> {
        let refused = || sign_in_again("the refresh token works no longer: sign in again");
        let family = self.deps.families.find(claims.family).await?;
        let family = family
            .filter(|f| f.account == claims.account)
            .ok_or_else(refused)?;
        match judge(&family, claims.generation, now) {
            RefreshVerdict::Rotate => self.rotate(account, &family, now).await,
            RefreshVerdict::Repeat(sealed) => self.open_pair(sealed).map(Some).ok_or_else(refused),
            RefreshVerdict::Refuse => Err(refused()),
            RefreshVerdict::Reuse => {
                tracing::warn!(account = %claims.account, family = %claims.family, "an old refresh token was used again: its family is revoked");
                self.revoke(claims.family, now).await?;
                Err(refused())
            }
        }
    }

    async fn rotate(
        &self,
        account: &Account,
        family: &TokenFamily,
        now: Timestamp,
    ) -> Result<Option<TokenPair>> {
        let next = family
            .generation
            .checked_add(1)
            .ok_or_else(|| sign_in_again("the sign-in is too old: sign in again"))?;
        let pair = self.issue_pair(account, family.id, next, now)?;
        let rotation = Rotation {
            family: family.id,
            from_generation: family.generation,
            at: now,
            sealed_pair: self.seal_pair(&pair)?,
            expires_at: pair.refresh.expires_at,
        };
        Ok(self.deps.families.rotate(&rotation).await?.then_some(pair))
    }

    fn seal_pair(&self, pair: &TokenPair) -> Result<String> {
        let parts = (
            pair.access.token.as_str(),
            pair.access.expires_at.as_millis(),
            pair.refresh.token.as_str(),
            pair.refresh.expires_at.as_millis(),
        );
        let plain = rmp_serde::to_vec(&parts).map_err(Error::internal)?;
        self.deps.secrets.seal(SecretUse::TokenPair, &plain)
    }

    /// `None` when the key that sealed it is no longer configured.
    fn open_pair(&self, sealed: &str) -> Option<TokenPair> {
        let plain = self.deps.secrets.open(SecretUse::TokenPair, sealed)?;
        let (access, access_end, refresh, refresh_end): (String, i64, String, i64) =
            rmp_serde::from_slice(&plain).ok()?;
        let issued = |token, end| IssuedToken {
            token,
            expires_at: Timestamp::from_millis(end),
        };
        Some(TokenPair {
            access: issued(access, access_end),
            refresh: issued(refresh, refresh_end),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{RefreshVerdict, judge};
    use crate::account::fakes::TestAccounts;
    use faceshare_biz::ErrorCode;
    use faceshare_biz::domain::account::TokenFamily;
    use faceshare_biz::domain::{AccountId, FamilyId, Timestamp};
    use std::time::Duration;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn family(generation: u32) -> TokenFamily {
        TokenFamily {
            id: FamilyId::new(1).expect("an id"),
            account: AccountId::new(2).expect("an id"),
            generation,
            rotated_at: at(100),
            sealed_pair: (generation > 1).then(|| "sealed".to_owned()),
            expires_at: at(10_000),
            revoked_at: None,
            network: None,
        }
    }

    #[test]
    fn the_verdicts_on_a_refresh_token() {
        let revoked = TokenFamily {
            revoked_at: Some(at(100)),
            ..family(3)
        };
        let table = [
            (family(1), 1, 100, RefreshVerdict::Rotate),
            (family(3), 3, 9_999, RefreshVerdict::Rotate),
            (family(3), 2, 100, RefreshVerdict::Repeat("sealed")),
            (family(3), 2, 90, RefreshVerdict::Repeat("sealed")), // the clock went back
            (family(3), 2, 159, RefreshVerdict::Repeat("sealed")),
            (family(3), 2, 160, RefreshVerdict::Reuse),
            (family(3), 1, 101, RefreshVerdict::Reuse),
            (family(3), 4, 101, RefreshVerdict::Refuse),
            (family(3), 3, 10_000, RefreshVerdict::Refuse),
            (revoked.clone(), 3, 101, RefreshVerdict::Refuse),
            (revoked, 2, 101, RefreshVerdict::Refuse),
        ];
        for (family, generation, now, expected) in table {
            assert_eq!(
                judge(&family, generation, at(now)),
                expected,
                "{generation} of {} at {now}",
                family.generation
            );
        }
    }

    #[tokio::test]
    async fn a_refresh_gives_a_pair_that_works_and_refreshes_on() {
        let app = TestAccounts::new();
        let first = app.accounts().sign_up_guest("Ann").await.expect("a guest");
        let second = app
            .accounts()
            .refresh(&first.tokens.refresh.token)
            .await
            .expect("a pair");
        assert_eq!(second.account, first.account);
        assert_ne!(second.tokens, first.tokens);
        assert!(
            app.accounts()
                .authenticate(&second.tokens.access.token)
                .is_ok()
        );
        assert!(
            app.accounts()
                .refresh(&second.tokens.refresh.token)
                .await
                .is_ok()
        );
    }

    #[tokio::test]
    async fn the_token_just_used_gives_the_same_pair_again_for_a_minute() {
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
            .expect("a pair");
        app.clock.pass(Duration::from_secs(59));
        assert_eq!(
            app.accounts()
                .refresh(&first.refresh.token)
                .await
                .expect("the pair again"),
            second
        );
        app.clock.pass(Duration::from_secs(1));
        let error = app
            .accounts()
            .refresh(&first.refresh.token)
            .await
            .expect_err("too late");
        assert_eq!(error.code, ErrorCode::Unauthenticated);
        let error = app
            .accounts()
            .refresh(&second.tokens.refresh.token)
            .await
            .expect_err("the family is revoked");
        assert_eq!(error.code, ErrorCode::Unauthenticated);
    }

    #[tokio::test]
    async fn once_the_new_token_was_used_the_old_one_revokes_the_family() {
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
            .expect("a pair")
            .tokens;
        let third = app
            .accounts()
            .refresh(&second.refresh.token)
            .await
            .expect("a pair")
            .tokens;
        assert!(app.accounts().refresh(&first.refresh.token).await.is_err());
        assert!(app.accounts().refresh(&third.refresh.token).await.is_err());
    }

    #[tokio::test]
    async fn the_slower_of_two_refreshes_gets_the_pair_of_the_faster() {
        let app = TestAccounts::new();
        let first = app
            .accounts()
            .sign_up_guest("Ann")
            .await
            .expect("a guest")
            .tokens;
        // Both refreshes read the family before one of them rotates it.
        app.families.finish_finds_together(2);
        let accounts = app.accounts();
        let (one, other) = tokio::join!(
            accounts.refresh(&first.refresh.token),
            accounts.refresh(&first.refresh.token)
        );
        assert_eq!(one.expect("a pair"), other.expect("the same pair"));
    }

    #[tokio::test]
    async fn an_expired_or_forged_refresh_token_asks_to_sign_in() {
        let app = TestAccounts::new();
        let tokens = app
            .accounts()
            .sign_up_guest("Ann")
            .await
            .expect("a guest")
            .tokens;
        for bad in ["rubbish", tokens.access.token.as_str()] {
            assert_eq!(
                app.accounts().refresh(bad).await.expect_err("refused").code,
                ErrorCode::Unauthenticated
            );
        }
        app.clock.set(tokens.refresh.expires_at);
        assert_eq!(
            app.accounts()
                .refresh(&tokens.refresh.token)
                .await
                .expect_err("expired")
                .code,
            ErrorCode::Unauthenticated
        );
    }
}
