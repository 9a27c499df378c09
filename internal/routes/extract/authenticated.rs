//! Extracts the caller that the access token names.

use crate::e::HttpError;
use crate::middleware::rate::AccountLimits;
use auth::{AuthError, bearer_from_headers};
use axum::extract::{FromRef, FromRequestParts};
use faceshare_biz::domain::account::Caller;
use faceshare_biz::{Error, ErrorCode};
use faceshare_logic::account::Accounts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use std::sync::Arc;

/// An authenticated caller that is within its account's rate limit. Handlers get a caller only from
/// this extractor and [`MaybeAuthenticated`].
#[derive(Debug, Clone, Copy)]
pub struct Authenticated(pub Caller);

impl<S> FromRequestParts<S> for Authenticated
where
    S: Send + Sync,
    Arc<Accounts>: FromRef<S>,
    AccountLimits: FromRef<S>,
{
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let token = bearer_from_headers(&parts.headers).map_err(|error| refused(&error))?;
        let caller = Arc::<Accounts>::from_ref(state).authenticate(token.expose())?;
        AccountLimits::from_ref(state).check(caller.account)?;
        Ok(Self(caller))
    }
}

/// The caller, or `None` for a request without an `Authorization` header, for calls that need no
/// token. A header that is present must hold a valid token: an expired token must not turn an
/// account into an anonymous caller.
#[derive(Debug, Clone, Copy)]
pub struct MaybeAuthenticated(pub Option<Caller>);

impl<S> FromRequestParts<S> for MaybeAuthenticated
where
    S: Send + Sync,
    Arc<Accounts>: FromRef<S>,
    AccountLimits: FromRef<S>,
{
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        if !parts.headers.contains_key(AUTHORIZATION) {
            return Ok(Self(None));
        }
        let Authenticated(caller) = Authenticated::from_request_parts(parts, state).await?;
        Ok(Self(Some(caller)))
    }
}

/// The error for a header that holds no well-formed token.
fn refused(error: &AuthError) -> Error {
    let detail = match error {
        AuthError::Missing => "the call needs an Authorization header with a bearer token",
        _ => "the Authorization header does not hold one bearer token",
    };
    Error::new(ErrorCode::Unauthenticated, detail)
}

#[cfg(test)]
mod tests {
    use super::refused;
    use auth::AuthError;
    use faceshare_biz::ErrorCode;

    #[test]
    fn a_request_without_a_token_is_unauthenticated() {
        for error in [AuthError::Missing, AuthError::Malformed] {
            assert_eq!(refused(&error).code, ErrorCode::Unauthenticated);
        }
    }
}
