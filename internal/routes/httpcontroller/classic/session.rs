//! The cookie `sessionID`.

use super::answer::ClassicError;
use super::state::ClassicState;
use crate::links::{Links, host_of};
use auth::COOKIE_TTL;
use axum::extract::FromRequestParts;
use faceshare_biz::domain::account::Caller;
use http::header::COOKIE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Uri};

/// Name of the cookie.
const NAME: &str = "sessionID";
/// Path of the cookie: browsers do not send it to the other calls.
const PATH: &str = "/api/entrytask/";

/// The caller that the cookie names.
pub struct Session(pub(super) Caller);

impl FromRequestParts<ClassicState> for Session {
    type Rejection = ClassicError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &ClassicState,
    ) -> Result<Self, ClassicError> {
        let cookie = cookie_value(&parts.headers).ok_or(ClassicError::InvalidSession)?;
        state
            .accounts
            .authenticate_cookie(cookie)
            .map(Self)
            .map_err(ClassicError::from)
    }
}

fn cookie_value(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'));
    cookies
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == NAME)
        .map(|(_, value)| value.trim_matches('"'))
}

/// Whether clients reach the server over https; the cookie then has the `Secure` attribute.
pub struct Secure(bool);

impl FromRequestParts<ClassicState> for Secure {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &ClassicState,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self(
            own_origin(&state.links, &parts.uri, &parts.headers).starts_with("https:"),
        ))
    }
}

/// Scheme and authority under which this request reached the server, as far as that can be trusted.
pub(super) fn own_origin(links: &Links, uri: &Uri, headers: &HeaderMap) -> String {
    links.base(host_of(uri, headers)).link("")
}

/// A header that sets the cookie.
pub(super) fn set_cookie(value: &str, secure: &Secure) -> Result<HeaderValue, ClassicError> {
    cookie_header(value, COOKIE_TTL.as_secs(), secure)
}

/// A header that removes the cookie.
pub(super) fn clear_cookie(secure: &Secure) -> Result<HeaderValue, ClassicError> {
    cookie_header("", 0, secure)
}

fn cookie_header(
    value: &str,
    max_age: u64,
    Secure(secure): &Secure,
) -> Result<HeaderValue, ClassicError> {
    let secure = if *secure { "; Secure" } else { "" };
    let cookie = format!(
        "{NAME}={value}; Path={PATH}; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}"
    );
    let mut cookie = HeaderValue::from_str(&cookie).map_err(|_| ClassicError::Server)?;
    cookie.set_sensitive(true);
    Ok(cookie)
}
