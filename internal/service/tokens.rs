//! The tokens that clients carry: the domain's claims over [`auth::Authenticator`].

use crate::token_cache::TokenCache;
use arc_swap::ArcSwap;
use auth::{AuthError, AuthTtl, Authenticator};
use faceshare_biz::domain::account::{AccessClaims, IssuedToken, RefreshClaims};
use faceshare_biz::domain::facesession::{SessionClaims, WaitClaims};
use faceshare_biz::domain::port::{TokenRefusal, Tokens};
use faceshare_biz::domain::{AccountId, FamilyId, KnockId, PointId, SessionId, Timestamp};
use faceshare_biz::{Error, Result};
use pasetotoken::{Audience, IssueError, KeyRing, TokenService};
use std::sync::Arc;

/// Issues and verifies tokens under a ring of keys, which can be replaced while it is in use.
pub struct PasetoTokens {
    ttl: AuthTtl,
    keys: ArcSwap<TokenKeys>,
}

/// Access tokens in the cache, and as many cookies.
const CALLERS: usize = 64 << 10;
/// Session tokens in the cache: most are used once, right after they are issued.
const SESSIONS: usize = 8 << 10;

/// A ring of keys with its token caches: the claims of each token and when it expires, in
/// milliseconds since 1970.
struct TokenKeys {
    authenticator: Authenticator,
    access: TokenCache<(auth::Caller, i64)>,
    cookies: TokenCache<(auth::Caller, i64)>,
    sessions: TokenCache<(auth::SessionClaims, i64)>,
}

impl TokenKeys {
    fn new(ring: &KeyRing, ttl: AuthTtl) -> Self {
        Self {
            authenticator: Authenticator::new(
                Arc::new(TokenService::new(ring, Audience::Clients)),
                ttl,
            ),
            access: TokenCache::with_capacity(CALLERS),
            cookies: TokenCache::with_capacity(CALLERS),
            sessions: TokenCache::with_capacity(SESSIONS),
        }
    }
}

impl PasetoTokens {
    /// The first key of the ring issues, every key verifies.
    #[must_use]
    pub fn new(ring: &KeyRing, ttl: AuthTtl) -> Self {
        Self {
            ttl,
            keys: ArcSwap::from_pointee(TokenKeys::new(ring, ttl)),
        }
    }

    /// Replaces the ring of keys and its caches. Tokens of keys that the new ring does not hold are
    /// refused from now on, also those in the cache.
    pub fn rekey(&self, ring: &KeyRing) {
        self.keys.store(Arc::new(TokenKeys::new(ring, self.ttl)));
    }
}

impl std::fmt::Debug for PasetoTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasetoTokens")
            .field("authenticator", &self.keys.load().authenticator)
            .finish_non_exhaustive()
    }
}

impl Tokens for PasetoTokens {
    fn issue_access(&self, claims: &AccessClaims, now: Timestamp) -> Result<IssuedToken> {
        let AccessClaims {
            account,
            family,
            guest,
        } = *claims;
        let claims = auth::AccessClaims {
            account: account.get(),
            family: family.get(),
            guest,
        };
        let keys = self.keys.load();
        let issued = issued(keys.authenticator.issue_access(&claims, now.as_millis()))?;
        keys.access.remember(
            &issued.token,
            (claims.into(), issued.expires_at.as_millis()),
        );
        Ok(issued)
    }

    fn issue_cookie(&self, claims: &AccessClaims, now: Timestamp) -> Result<IssuedToken> {
        let AccessClaims {
            account,
            family,
            guest,
        } = *claims;
        let claims = auth::AccessClaims {
            account: account.get(),
            family: family.get(),
            guest,
        };
        let keys = self.keys.load();
        let issued = issued(keys.authenticator.issue_cookie(&claims, now.as_millis()))?;
        keys.cookies.remember(
            &issued.token,
            (claims.into(), issued.expires_at.as_millis()),
        );
        Ok(issued)
    }

    fn issue_refresh(&self, claims: &RefreshClaims, now: Timestamp) -> Result<IssuedToken> {
        let RefreshClaims {
            account,
            family,
            generation,
        } = *claims;
        let claims = auth::RefreshClaims {
            account: account.get(),
            family: family.get(),
            generation,
        };
        issued(
            self.keys
                .load()
                .authenticator
                .issue_refresh(&claims, now.as_millis()),
        )
    }

    fn issue_session(&self, claims: &SessionClaims, now: Timestamp) -> Result<IssuedToken> {
        let SessionClaims {
            session,
            member,
            point,
            family,
        } = *claims;
        let claims = auth::SessionClaims {
            session: session.get(),
            account: member.get(),
            point: point.get(),
            family: family.get(),
        };
        let keys = self.keys.load();
        let issued = issued(keys.authenticator.issue_session(&claims, now.as_millis()))?;
        keys.sessions
            .remember(&issued.token, (claims, issued.expires_at.as_millis()));
        Ok(issued)
    }

    fn issue_wait(
        &self,
        claims: &WaitClaims,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<IssuedToken> {
        let WaitClaims {
            session,
            account,
            knock,
        } = *claims;
        let claims = auth::WaitClaims {
            session: session.get(),
            account: account.get(),
            knock: knock.get(),
        };
        issued(self.keys.load().authenticator.issue_wait(
            &claims,
            now.as_millis(),
            expires_at.since(now),
        ))
    }

    fn verify_access(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenRefusal> {
        let (keys, now) = (self.keys.load(), now.as_millis());
        let verified = keys
            .access
            .get_or_verify(token, || keys.authenticator.access_with_expiry(token, now))
            .map_err(refusal)?;
        let (
            auth::Caller {
                account,
                family,
                guest,
            },
            expires_at,
        ) = verified;
        if now >= expires_at {
            return Err(TokenRefusal::Expired);
        }
        Ok(AccessClaims {
            account: id(AccountId::new(account))?,
            family: id(FamilyId::new(family))?,
            guest,
        })
    }

    fn verify_cookie(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenRefusal> {
        let (keys, now) = (self.keys.load(), now.as_millis());
        let verified = keys
            .cookies
            .get_or_verify(token, || keys.authenticator.cookie_with_expiry(token, now))
            .map_err(refusal)?;
        let (
            auth::Caller {
                account,
                family,
                guest,
            },
            expires_at,
        ) = verified;
        if now >= expires_at {
            return Err(TokenRefusal::Expired);
        }
        Ok(AccessClaims {
            account: id(AccountId::new(account))?,
            family: id(FamilyId::new(family))?,
            guest,
        })
    }

    fn verify_refresh(&self, token: &str, now: Timestamp) -> Result<RefreshClaims, TokenRefusal> {
        let claims = self
            .keys
            .load()
            .authenticator
            .refresh(token, now.as_millis())
            .map_err(refusal)?;
        let auth::RefreshClaims {
            account,
            family,
            generation,
        } = claims;
        Ok(RefreshClaims {
            account: id(AccountId::new(account))?,
            family: id(FamilyId::new(family))?,
            generation,
        })
    }

    fn verify_session(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<(SessionClaims, Timestamp), TokenRefusal> {
        let (keys, now) = (self.keys.load(), now.as_millis());
        let verified = keys
            .sessions
            .get_or_verify(token, || keys.authenticator.session(token, now))
            .map_err(refusal)?;
        let (claims, expires_at) = verified;
        if now >= expires_at {
            return Err(TokenRefusal::Expired);
        }
        let claims = SessionClaims {
            session: id(SessionId::new(claims.session))?,
            member: id(AccountId::new(claims.account))?,
            point: id(PointId::new(claims.point))?,
            family: id(FamilyId::new(claims.family))?,
        };
        Ok((claims, Timestamp::from_millis(expires_at)))
    }

    fn verify_wait(&self, token: &str, now: Timestamp) -> Result<WaitClaims, TokenRefusal> {
        let auth::WaitClaims {
            session,
            account,
            knock,
        } = self
            .keys
            .load()
            .authenticator
            .wait(token, now.as_millis())
            .map_err(refusal)?;
        Ok(WaitClaims {
            session: id(SessionId::new(session))?,
            account: id(AccountId::new(account))?,
            knock: id(KnockId::new(knock))?,
        })
    }
}

fn issued(result: Result<auth::IssuedToken, IssueError>) -> Result<IssuedToken> {
    let auth::IssuedToken {
        token,
        expires_at_ms,
    } = result.map_err(Error::internal)?;
    Ok(IssuedToken {
        token: token.expose().to_owned(),
        expires_at: Timestamp::from_millis(expires_at_ms),
    })
}

/// Every token that this server issues names ids; another one is refused.
fn id<T>(id: Option<T>) -> Result<T, TokenRefusal> {
    id.ok_or(TokenRefusal::Invalid)
}

fn refusal(error: AuthError) -> TokenRefusal {
    match error {
        AuthError::Expired => TokenRefusal::Expired,
        AuthError::Missing | AuthError::Malformed | AuthError::Invalid => TokenRefusal::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::PasetoTokens;
    use auth::AuthTtl;
    use faceshare_biz::domain::account::{AccessClaims, RefreshClaims};
    use faceshare_biz::domain::facesession::SessionClaims;
    use faceshare_biz::domain::port::{TokenRefusal, Tokens};
    use faceshare_biz::domain::{AccountId, FamilyId, PointId, SessionId, Timestamp};
    use pasetotoken::KeyRing;
    use secrecy::ExposeSecret;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn tokens() -> PasetoTokens {
        PasetoTokens::new(&KeyRing::generate().expect("a ring"), AuthTtl::default())
    }

    fn account() -> AccountId {
        AccountId::new(i64::MAX as u64).expect("an id")
    }

    fn family() -> FamilyId {
        FamilyId::new(2).expect("an id")
    }

    fn access() -> AccessClaims {
        AccessClaims {
            account: account(),
            family: family(),
            guest: true,
        }
    }

    fn refresh() -> RefreshClaims {
        RefreshClaims {
            account: account(),
            family: family(),
            generation: 7,
        }
    }

    fn session() -> SessionClaims {
        let (session, point) = (
            SessionId::new(3).expect("an id"),
            PointId::new(4).expect("an id"),
        );
        SessionClaims {
            session,
            member: account(),
            point,
            family: family(),
        }
    }

    /// Two with the same keys: what the first has issued it remembers, and the second has never
    /// seen.
    fn pair() -> [PasetoTokens; 2] {
        let ring = KeyRing::generate().expect("a ring");
        [(); 2].map(|()| PasetoTokens::new(&ring, AuthTtl::default()))
    }

    #[test]
    fn claims_come_back_as_they_went_in() {
        let [here, there] = pair();
        let of_access = here.issue_access(&access(), NOW).expect("a token");
        let of_cookie = here.issue_cookie(&access(), NOW).expect("a token");
        let of_refresh = here.issue_refresh(&refresh(), NOW).expect("a token");
        let of_session = here.issue_session(&session(), NOW).expect("a token");
        for tokens in [&here, &there] {
            assert_eq!(tokens.verify_access(&of_access.token, NOW), Ok(access()));
            assert_eq!(tokens.verify_cookie(&of_cookie.token, NOW), Ok(access()));
            assert_eq!(tokens.verify_refresh(&of_refresh.token, NOW), Ok(refresh()));
            assert_eq!(
                tokens.verify_session(&of_session.token, NOW),
                Ok((session(), of_session.expires_at))
            );
        }
    }

    #[test]
    fn what_was_issued_here_is_not_opened_again() {
        let tokens = tokens();
        let access = tokens.issue_access(&access(), NOW).expect("a token").token;
        let cookie = tokens
            .issue_cookie(&self::access(), NOW)
            .expect("a token")
            .token;
        let session = tokens
            .issue_session(&session(), NOW)
            .expect("a token")
            .token;
        let keys = tokens.keys.load();
        assert!(keys.access.get_or_verify(&access, || Err(())).is_ok());
        assert!(keys.cookies.get_or_verify(&cookie, || Err(())).is_ok());
        assert!(keys.sessions.get_or_verify(&session, || Err(())).is_ok());
    }

    #[test]
    fn a_cookie_is_good_for_thirty_minutes_from_signing_in_however_it_is_used() {
        const TTL: Duration = Duration::from_secs(30 * 60);
        const MOMENT: Duration = Duration::from_millis(1);
        let [tokens, fresh] = pair();
        let issued = tokens.issue_cookie(&access(), NOW).expect("a token");
        assert_eq!(issued.expires_at, NOW + TTL);
        for used in [Duration::ZERO, TTL / 2, TTL - MOMENT] {
            assert_eq!(
                tokens.verify_cookie(&issued.token, NOW + used),
                Ok(access()),
                "{used:?}"
            );
        }
        // Whether it is remembered or was never seen before.
        for tokens in [&tokens, &fresh] {
            assert_eq!(
                tokens.verify_cookie(&issued.token, NOW + TTL),
                Err(TokenRefusal::Expired)
            );
        }
    }

    #[test]
    fn no_kind_is_accepted_in_place_of_another() {
        let tokens = tokens();
        let access = tokens.issue_access(&access(), NOW).expect("a token").token;
        let refresh = tokens
            .issue_refresh(&refresh(), NOW)
            .expect("a token")
            .token;
        let session = tokens
            .issue_session(&session(), NOW)
            .expect("a token")
            .token;
        let cookie = tokens
            .issue_cookie(&self::access(), NOW)
            .expect("a token")
            .token;
        assert!(tokens.verify_cookie(&cookie, NOW).is_ok());
        assert_eq!(
            tokens.verify_access(&cookie, NOW),
            Err(TokenRefusal::Invalid)
        );
        for other in [&access, &refresh, &session] {
            assert_eq!(tokens.verify_cookie(other, NOW), Err(TokenRefusal::Invalid));
        }
        assert_eq!(
            tokens.verify_access(&refresh, NOW),
            Err(TokenRefusal::Invalid)
        );
        assert_eq!(
            tokens.verify_access(&session, NOW),
            Err(TokenRefusal::Invalid)
        );
        assert_eq!(
            tokens.verify_refresh(&access, NOW),
            Err(TokenRefusal::Invalid)
        );
        assert_eq!(
            tokens.verify_refresh(&session, NOW),
            Err(TokenRefusal::Invalid)
        );
        assert_eq!(
            tokens.verify_session(&access, NOW),
            Err(TokenRefusal::Invalid)
        );
        assert_eq!(
            tokens.verify_session(&refresh, NOW),
            Err(TokenRefusal::Invalid)
        );
    }

    #[test]
    fn a_token_is_good_until_the_end_it_names_and_not_at_it() {
        let [here, there] = pair();
        let access = here.issue_access(&access(), NOW).expect("a token");
        let session = here.issue_session(&session(), NOW).expect("a token");
        let before = |end: Timestamp| Timestamp::from_millis(end.as_millis() - 1);
        for tokens in [&here, &there] {
            assert!(
                tokens
                    .verify_access(&access.token, before(access.expires_at))
                    .is_ok()
            );
            assert_eq!(
                tokens.verify_access(&access.token, access.expires_at),
                Err(TokenRefusal::Expired)
            );
            assert!(
                tokens
                    .verify_session(&session.token, before(session.expires_at))
                    .is_ok()
            );
            assert_eq!(
                tokens.verify_session(&session.token, session.expires_at),
                Err(TokenRefusal::Expired)
            );
        }
    }

    #[test]
    fn an_exchanged_ring_still_knows_the_old_key_until_it_is_dropped() {
        let (old, new) = (
            KeyRing::generate().expect("a ring"),
            KeyRing::generate().expect("a ring"),
        );
        let both: Vec<_> = [&new, &old]
            .into_iter()
            .flat_map(KeyRing::to_config_strings)
            .collect();
        let both = KeyRing::parse(both.iter().map(ExposeSecret::expose_secret)).expect("a ring");
        let tokens = PasetoTokens::new(&old, AuthTtl::default());
        let of_old = tokens.issue_access(&access(), NOW).expect("a token").token;
        let session_of_old = tokens
            .issue_session(&session(), NOW)
            .expect("a token")
            .token;
        assert_eq!(tokens.verify_access(&of_old, NOW), Ok(access()));

        tokens.rekey(&both);
        assert_eq!(tokens.verify_access(&of_old, NOW), Ok(access()));
        let of_new = tokens.issue_access(&access(), NOW).expect("a token").token;

        tokens.rekey(&new);
        assert_eq!(
            tokens.verify_access(&of_old, NOW),
            Err(TokenRefusal::Invalid),
            "verified before, and its key is gone"
        );
        assert_eq!(
            tokens.verify_session(&session_of_old, NOW),
            Err(TokenRefusal::Invalid),
            "issued before, likewise"
        );
        assert_eq!(
            tokens.verify_access(&of_new, NOW),
            Ok(access()),
            "the new key issued since it came"
        );
    }

    #[test]
    fn a_token_of_another_ring_is_invalid() {
        let issued = tokens().issue_session(&session(), NOW).expect("a token");
        assert_eq!(
            tokens().verify_session(&issued.token, NOW),
            Err(TokenRefusal::Invalid)
        );
    }
}
