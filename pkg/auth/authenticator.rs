//! Issuing and verifying the tokens of callers.

use std::sync::Arc;
use std::time::Duration;

use pasetotoken::{IssueError, Purpose, TokenService};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::claims::{AccessClaims, Caller, RefreshClaims, SessionClaims, WaitClaims};
use crate::error::AuthError;
use crate::token::Token;

/// Lifetime of a cookie.
pub const COOKIE_TTL: Duration = Duration::from_secs(30 * 60);

/// Lifetimes of tokens. Millisecond resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthTtl {
    /// Of an access token; default 15 minutes.
    pub access: Duration,
    /// Of a refresh token; default 30 days.
    pub refresh: Duration,
    /// Of a session token; default 1 hour.
    pub session: Duration,
}

impl Default for AuthTtl {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        Self {
            access: Duration::from_secs(15 * MINUTE),
            refresh: Duration::from_secs(30 * 24 * 60 * MINUTE),
            session: Duration::from_secs(60 * MINUTE),
        }
    }
}

/// A newly issued token.
#[derive(Debug, Clone)]
pub struct IssuedToken {
    /// The token; only its owner may receive it.
    pub token: Token,
    /// When the token expires: milliseconds since the Unix epoch.
    pub expires_at_ms: i64,
}

/// Issues and verifies access, refresh, session and wait tokens. All times are milliseconds since the
/// Unix epoch, given by the caller. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Authenticator {
    tokens: Arc<TokenService>,
    ttl: AuthTtl,
}

impl Authenticator {
    /// Issues and verifies with the keys of `tokens`.
    #[must_use]
    pub const fn new(tokens: Arc<TokenService>, ttl: AuthTtl) -> Self {
        Self { tokens, ttl }
    }

    /// The lifetimes of the tokens that it issues.
    #[must_use]
    pub const fn ttl(&self) -> AuthTtl {
        self.ttl
    }

    /// Issues an access token.
    ///
    /// # Errors
    /// [`IssueError`] when the random source fails or the expiry is out of range; the same below.
    pub fn issue_access(
        &self,
        claims: &AccessClaims,
        now_ms: i64,
    ) -> Result<IssuedToken, IssueError> {
        self.issue(Purpose::Access, claims, now_ms, self.ttl.access)
    }

    /// Issues a token for a cookie, valid for [`COOKIE_TTL`].
    ///
    /// # Errors
    /// As [`Authenticator::issue_access`].
    pub fn issue_cookie(
        &self,
        claims: &AccessClaims,
        now_ms: i64,
    ) -> Result<IssuedToken, IssueError> {
        self.issue(Purpose::Cookie, claims, now_ms, COOKIE_TTL)
    }

    /// Issues a refresh token.
    ///
    /// # Errors
    /// As [`Authenticator::issue_access`].
    pub fn issue_refresh(
        &self,
        claims: &RefreshClaims,
        now_ms: i64,
    ) -> Result<IssuedToken, IssueError> {
        self.issue(Purpose::Refresh, claims, now_ms, self.ttl.refresh)
    }

    /// Issues a session token.
    ///
    /// # Errors
    /// As [`Authenticator::issue_access`].
    pub fn issue_session(
        &self,
        claims: &SessionClaims,
        now_ms: i64,
    ) -> Result<IssuedToken, IssueError> {
        self.issue(Purpose::Session, claims, now_ms, self.ttl.session)
    }

    /// Issues a wait token that is valid for `ttl`: as long as the request that its owner waits
    /// for.
    ///
    /// # Errors
    /// As [`Authenticator::issue_access`].
    pub fn issue_wait(
        &self,
        claims: &WaitClaims,
        now_ms: i64,
        ttl: Duration,
    ) -> Result<IssuedToken, IssueError> {
        self.issue(Purpose::Wait, claims, now_ms, ttl)
    }

    /// The caller that this access token names.
    ///
    /// # Errors
    /// [`AuthError::Malformed`], [`AuthError::Expired`] or [`AuthError::Invalid`]; the same below.
    pub fn access(&self, token: &str, now_ms: i64) -> Result<Caller, AuthError> {
        self.access_with_expiry(token, now_ms)
            .map(|(caller, _)| caller)
    }

    /// The same, with the expiry in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// As [`Authenticator::access`].
    pub fn access_with_expiry(&self, token: &str, now_ms: i64) -> Result<(Caller, i64), AuthError> {
        let (claims, expires_at_ms) =
            self.tokens
                .verify_with_expiry::<AccessClaims>(Purpose::Access, token, now_ms)?;
        Ok((Caller::from(claims), expires_at_ms))
    }

    /// The caller that this cookie names, with the expiry in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// As [`Authenticator::access`].
    pub fn cookie_with_expiry(&self, token: &str, now_ms: i64) -> Result<(Caller, i64), AuthError> {
        let (claims, expires_at_ms) =
            self.tokens
                .verify_with_expiry::<AccessClaims>(Purpose::Cookie, token, now_ms)?;
        Ok((Caller::from(claims), expires_at_ms))
    }

    /// The claims of this refresh token.
    ///
    /// # Errors
    /// As [`Authenticator::access`].
    pub fn refresh(&self, token: &str, now_ms: i64) -> Result<RefreshClaims, AuthError> {
        self.verify(Purpose::Refresh, token, now_ms)
    }

    /// The claims of this session token, with the expiry in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// As [`Authenticator::access`].
    pub fn session(&self, token: &str, now_ms: i64) -> Result<(SessionClaims, i64), AuthError> {
        Ok(self
            .tokens
            .verify_with_expiry(Purpose::Session, token, now_ms)?)
    }

    /// The claims of this wait token.
    ///
    /// # Errors
    /// As [`Authenticator::access`].
    pub fn wait(&self, token: &str, now_ms: i64) -> Result<WaitClaims, AuthError> {
        self.verify(Purpose::Wait, token, now_ms)
    }

    fn issue<C: Serialize>(
        &self,
        purpose: Purpose,
        claims: &C,
        now_ms: i64,
        ttl: Duration,
    ) -> Result<IssuedToken, IssueError> {
        let token = self.tokens.issue(purpose, claims, now_ms, ttl)?;
        let ttl_ms = i64::try_from(ttl.as_millis()).map_err(|_| IssueError::Lifetime)?;
        let expires_at_ms = now_ms.checked_add(ttl_ms).ok_or(IssueError::Lifetime)?;
        Ok(IssuedToken {
            token: Token::from(token),
            expires_at_ms,
        })
    }

    fn verify<C: DeserializeOwned>(
        &self,
        purpose: Purpose,
        token: &str,
        now_ms: i64,
    ) -> Result<C, AuthError> {
        Ok(self.tokens.verify(purpose, token, now_ms)?)
    }
}

#[cfg(test)]
mod tests {
    use pasetotoken::{Audience, KeyRing};
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_750_000_000_000;

    fn authenticator() -> Authenticator {
        let ring = KeyRing::generate().expect("a ring");
        Authenticator::new(
            Arc::new(TokenService::new(&ring, Audience::Clients)),
            AuthTtl::default(),
        )
    }

    #[test]
    fn an_access_token_names_its_caller_until_it_expires() {
        let auth = authenticator();
        let claims = AccessClaims {
            account: u64::MAX,
            family: 7,
            guest: true,
        };
        let issued = auth.issue_access(&claims, NOW).expect("a token");
        assert_eq!(issued.expires_at_ms, NOW + 900_000);
        let caller = Caller {
            account: u64::MAX,
            family: 7,
            guest: true,
        };
        assert_eq!(
            auth.access(issued.token.expose(), issued.expires_at_ms - 1),
            Ok(caller)
        );
        assert_eq!(
            auth.access(issued.token.expose(), issued.expires_at_ms),
            Err(AuthError::Expired)
        );
    }

    #[test]
    fn each_kind_lives_as_long_as_configured() {
        let auth = authenticator();
        let refresh = RefreshClaims {
            account: 1,
            family: 2,
            generation: 3,
        };
        let session = SessionClaims {
            session: 1,
            account: 2,
            point: 3,
            family: 4,
        };
        assert_eq!(
            auth.issue_refresh(&refresh, NOW)
                .expect("a token")
                .expires_at_ms,
            NOW + 2_592_000_000
        );
        assert_eq!(
            auth.issue_session(&session, NOW)
                .expect("a token")
                .expires_at_ms,
            NOW + 3_600_000
        );
    }

    #[test]
    fn no_kind_is_accepted_in_place_of_another() {
        let auth = authenticator();
        let access = auth
            .issue_access(
                &AccessClaims {
                    account: 1,
                    family: 2,
                    guest: false,
                },
                NOW,
            )
            .expect("a token");
        assert_eq!(
            auth.refresh(access.token.expose(), NOW),
            Err(AuthError::Invalid)
        );
        assert_eq!(
            auth.session(access.token.expose(), NOW),
            Err(AuthError::Invalid)
        );
        let session = SessionClaims {
            session: 1,
            account: 2,
            point: 3,
            family: 4,
        };
        let session = auth.issue_session(&session, NOW).expect("a token");
        assert_eq!(
            auth.access(session.token.expose(), NOW),
            Err(AuthError::Invalid)
        );
    }

    #[test]
    fn foreign_tokens_are_invalid_and_other_texts_malformed() {
        let claims = AccessClaims {
            account: 1,
            family: 2,
            guest: false,
        };
        let foreign = authenticator().issue_access(&claims, NOW).expect("a token");
        assert_eq!(
            authenticator().access(foreign.token.expose(), NOW),
            Err(AuthError::Invalid)
        );
        for text in ["", "v4.local.", "junk"] {
            assert_eq!(authenticator().access(text, NOW), Err(AuthError::Malformed));
        }
    }

    #[test]
    fn debug_does_not_show_an_issued_token() {
        let claims = AccessClaims {
            account: 1,
            family: 2,
            guest: false,
        };
        let issued = authenticator().issue_access(&claims, NOW).expect("a token");
        assert!(!format!("{issued:?}").contains(issued.token.expose()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_ids_are_verified_as_they_were_issued(session: u64, account: u64, point: u64, family: u64, generation: u32) {
            let auth = authenticator();
            let claims = SessionClaims { session, account, point, family };
            let issued = auth.issue_session(&claims, NOW).expect("a token");
            prop_assert_eq!(auth.session(issued.token.expose(), NOW), Ok((claims, issued.expires_at_ms)));
            let claims = RefreshClaims { account, family, generation };
            let issued = auth.issue_refresh(&claims, NOW).expect("a token");
            prop_assert_eq!(auth.refresh(issued.token.expose(), NOW), Ok(claims));
        }
    }
}
