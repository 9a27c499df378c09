//! `auth.*`: guests, the keys that encrypt tokens, the lifetimes of tokens, and wrong passwords.

use std::time::Duration;

use faceshare_biz::domain::account::PasswordGuessLimits;
use secrecy::SecretString;

use super::{DAY, keys, section::Section};

/// The shortest lifetime of a token, because its expiry is in whole seconds.
const SECOND: Duration = Duration::from_secs(1);

/// Accounts, keys and the lifetimes of tokens.
#[derive(Debug, Clone)]
pub(crate) struct Auth {
    /// Whether `POST /v1/guests` creates guests.
    pub(crate) guests: bool,
    /// `kid:base64url`, 32 bytes each. The first encrypts, all decrypt. Empty: [`super::key_ring`]
    /// generates one.
    pub(crate) keys: Vec<SecretString>,
    /// Lifetime of an access token.
    pub(crate) access_ttl: Duration,
    /// Lifetime of a refresh token since its last use.
    pub(crate) refresh_ttl: Duration,
    /// Lifetime of a session token. The stream renews it after two thirds.
    pub(crate) session_ttl: Duration,
    /// Lifetime of the token with which a person waits for admission.
    pub(crate) wait_ttl: Duration,
    /// Lifetime of an invite that names no other.
    pub(crate) invite_ttl: Duration,
    /// Budgets of wrong passwords.
    pub(crate) guesses: PasswordGuessLimits,
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
            guesses: guesses(section),
        };
        if auth.refresh_ttl < auth.access_ttl {
            section.problem(
                "refresh_ttl",
                "is shorter than auth.access_ttl, so that nothing could be refreshed",
            );
        }
        if let Some(Err(error)) = (!auth.keys.is_empty()).then(|| keys::parse(&auth.keys)) {
            section.problem("keys", error.to_string());
        }
        auth
    }
}

fn guesses(section: &mut Section<'_, '_>) -> PasswordGuessLimits {
    const COUNT: std::ops::RangeInclusive<u32> = 1..=1_000_000;
    let by_default = PasswordGuessLimits::default();
    PasswordGuessLimits {
        per_name_and_network: section.number(
            "password_guesses",
            by_default.per_name_and_network,
            COUNT,
        ),
        per_network: section.number(
            "password_guesses_per_network",
            by_default.per_network,
            COUNT,
        ),
        per_name: section.number("password_guesses_per_account", by_default.per_name, COUNT),
        ..by_default
    }
}
