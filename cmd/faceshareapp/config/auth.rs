//! `auth.*`: who may come in, the keys that seal tokens, and how long each kind of token is good.

use std::time::Duration;

use secrecy::SecretString;

use super::{DAY, keys, section::Section};

/// No token is good for less: its expiry is counted in seconds.
const SECOND: Duration = Duration::from_secs(1);

/// Accounts, keys and the lifetimes of tokens.
#[derive(Debug, Clone)]
pub(crate) struct Auth {
    /// Whether `POST /v1/guests` makes guests.
    pub(crate) guests: bool,
    /// `kid:base64url` of 32 bytes each; the first seals, all open. Empty: [`super::key_ring`] generates one.
    pub(crate) keys: Vec<SecretString>,
    /// Of an access token.
    pub(crate) access_ttl: Duration,
    /// Of a refresh token, from its last use.
    pub(crate) refresh_ttl: Duration,
    /// Of a session token, renewed in the stream at two thirds.
    pub(crate) session_ttl: Duration,
    /// Of the token by which someone waits to be admitted.
    pub(crate) wait_ttl: Duration,
    /// Of an invite whose maker names no other lifetime.
    pub(crate) invite_ttl: Duration,
}

impl Auth {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let auth = Self {
            guests: section.flag("guests", true),
            keys: section.secrets("keys"),
            access_ttl: section.duration("access_ttl", Duration::from_mins(15), SECOND..=DAY),
            refresh_ttl: section.duration("refresh_ttl", DAY * 30, SECOND..=DAY * 365),
            session_ttl: section.duration("session_ttl", Duration::from_hours(1), SECOND..=DAY),
            wait_ttl: section.duration("wait_ttl", Duration::from_mins(10), SECOND..=DAY),
            invite_ttl: section.duration("invite_ttl", DAY, SECOND..=DAY * 30),
        };
        if auth.refresh_ttl < auth.access_ttl {
            section.problem("refresh_ttl", "is shorter than auth.access_ttl, so that nothing could be refreshed");
        }
        if let Some(Err(error)) = (!auth.keys.is_empty()).then(|| keys::parse(&auth.keys)) {
            section.problem("keys", error.to_string());
        }
        auth
    }
}
