//! Refreshing: each refresh token works once, with a short overlap for answers that were lost and for two tabs.
//!
//! A refresh token that comes back later than that has leaked or was replayed, and it cannot be told which of its two bearers is the
//! thief: the whole family is revoked.

use super::{Accounts, SignedIn, sign_in_again};
use faceshare_biz::constants::REFRESH_OVERLAP;
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::account::{
    Account, IssuedToken, RefreshClaims, Rotation, TokenFamily, TokenPair,
};
use faceshare_biz::domain::port::SecretUse;
use faceshare_biz::{Error, Result};

/// How often a refresh looks again after another one was faster. The second look settles it; the third is for a family that is refreshed
/// from several places without pause.
const ROUNDS: usize = 3;

/// What a refresh token of some generation gets.
#[derive(Debug, PartialEq, Eq)]
enum Verdict<'a> {
    /// It is of the newest pair: a new one.
    Rotate,
    /// It is the one just used, and the pair it gave is unused as yet: that pair again, as it was sealed.
    Repeat(&'a str),
    /// It was used too long ago, or its successor was used already.
    Reuse,
    /// It gets nothing, and nothing follows from that.
    Refuse,
}

/// Judges a token of `generation` by what is known of its family.
fn judge(family: &TokenFamily, generation: u32, now: Timestamp) -> Verdict<'_> {
    if family.revoked_at.is_some() || family.expires_at <= now {
        return Verdict::Refuse;
    }
    match family.generation.checked_sub(generation) {
        Some(0) => Verdict::Rotate,
        Some(1) if now.since(family.rotated_at) < REFRESH_OVERLAP => family
            .sealed_pair
            .as_deref()
            .map_or(Verdict::Reuse, Verdict::Repeat),
        Some(_) => Verdict::Reuse,
        // Newer than the newest: the store lost a rotation. Nobody did wrong, but the chain is broken.
        None => Verdict::Refuse,
    }
}

impl Accounts {
    /// A new pair for a refresh token.
    ///
    /// The token just used, within [`REFRESH_OVERLAP`] and while its successor is unused, gives the same pair again; used at once in two
    /// places it gives both the same pair. Any other use of an old token revokes its family.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`: sign in again.
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
        for _ in 0..ROUNDS {
            if let Some(tokens) = self.try_refresh(&account, claims, now).await? {
                return Ok(SignedIn { account, tokens });
            }
        }
        Err(Error::unavailable(
            "a token family was refreshed from elsewhere in every round",
        ))
    }

    /// `None`: another refresh was faster, look again.
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
            Verdict::Rotate => self.rotate(account, &family, now).await,
            Verdict::Repeat(sealed) => self.open_pair(sealed).map(Some).ok_or_else(refused),
            Verdict::Refuse => Err(refused()),
            Verdict::Reuse => {
                tracing::warn!(account = %claims.account, family = %claims.family, "an old refresh token came back: its family is revoked");
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

    /// `None` when the key it was sealed with is gone.
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
    use super::{Verdict, judge};
    use crate::account::fakes::House;
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
            (family(1), 1, 100, Verdict::Rotate),
            (family(3), 3, 9_999, Verdict::Rotate),
            (family(3), 2, 100, Verdict::Repeat("sealed")),
            (family(3), 2, 90, Verdict::Repeat("sealed")), // the clock went back
            (family(3), 2, 159, Verdict::Repeat("sealed")),
            (family(3), 2, 160, Verdict::Reuse),
            (family(3), 1, 101, Verdict::Reuse),
            (family(3), 4, 101, Verdict::Refuse),
            (family(3), 3, 10_000, Verdict::Refuse),
            (revoked.clone(), 3, 101, Verdict::Refuse),
            (revoked, 2, 101, Verdict::Refuse),
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
        let house = House::new();
        let first = house
            .accounts()
            .sign_up_guest("Ann")
            .await
            .expect("a guest");
        let second = house
            .accounts()
            .refresh(&first.tokens.refresh.token)
            .await
            .expect("a pair");
        assert_eq!(second.account, first.account);
        assert_ne!(second.tokens, first.tokens);
        assert!(
            house
                .accounts()
                .authenticate(&second.tokens.access.token)
                .is_ok()
        );
        assert!(
            house
                .accounts()
                .refresh(&second.tokens.refresh.token)
                .await
                .is_ok()
        );
    }

    #[tokio::test]
    async fn the_token_just_used_gives_the_same_pair_again_for_a_minute() {
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
            .expect("a pair");
        house.clock.pass(Duration::from_secs(59));
        assert_eq!(
            house
                .accounts()
                .refresh(&first.refresh.token)
                .await
                .expect("the pair again"),
            second
        );
        house.clock.pass(Duration::from_secs(1));
        let error = house
            .accounts()
            .refresh(&first.refresh.token)
            .await
            .expect_err("too late");
        assert_eq!(error.code, ErrorCode::Unauthenticated);
        let error = house
            .accounts()
            .refresh(&second.tokens.refresh.token)
            .await
            .expect_err("the family is revoked");
        assert_eq!(error.code, ErrorCode::Unauthenticated);
    }

    #[tokio::test]
    async fn once_the_new_token_was_used_the_old_one_revokes_the_family() {
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
            .expect("a pair")
            .tokens;
        let third = house
            .accounts()
            .refresh(&second.refresh.token)
            .await
            .expect("a pair")
            .tokens;
        assert!(
            house
                .accounts()
                .refresh(&first.refresh.token)
                .await
                .is_err()
        );
        assert!(
            house
                .accounts()
                .refresh(&third.refresh.token)
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn the_slower_of_two_refreshes_gets_the_pair_of_the_faster() {
        let house = House::new();
        let first = house
            .accounts()
            .sign_up_guest("Ann")
            .await
            .expect("a guest")
            .tokens;
        // Both have read the family before either rotates it.
        house.families.hold_finds_until(2);
        let accounts = house.accounts();
        let (one, other) = tokio::join!(
            accounts.refresh(&first.refresh.token),
            accounts.refresh(&first.refresh.token)
        );
        assert_eq!(one.expect("a pair"), other.expect("the same pair"));
    }

    #[tokio::test]
    async fn an_expired_or_forged_refresh_token_asks_to_sign_in() {
        let house = House::new();
        let tokens = house
            .accounts()
            .sign_up_guest("Ann")
            .await
            .expect("a guest")
            .tokens;
        for bad in ["rubbish", tokens.access.token.as_str()] {
            assert_eq!(
                house
                    .accounts()
                    .refresh(bad)
                    .await
                    .expect_err("refused")
                    .code,
                ErrorCode::Unauthenticated
            );
        }
        house.clock.set(tokens.refresh.expires_at);
        assert_eq!(
            house
                .accounts()
                .refresh(&tokens.refresh.token)
                .await
                .expect_err("expired")
                .code,
            ErrorCode::Unauthenticated
        );
    }
}
