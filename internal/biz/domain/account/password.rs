//! Passwords: what a person types, and what is kept of it.

use crate::Result;
use crate::domain::Site;
use async_trait::async_trait;
use std::fmt;
use zeroize::Zeroizing;

/// What a person typed. Never shown, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a text as a password, whatever it holds.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text, for those who hash it and those who check its length.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

/// What is kept of a password: a salted hash together with the parameters it was made with, as a PHC string.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Box<str>);

impl PasswordHash {
    /// As it was kept.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// As it is to be kept.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(***)")
    }
}

/// What comparing a password with a hash came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is another password, or there was no hash to compare with.
    Wrong,
    /// It is the password.
    Right,
    /// It is the password, and this hash of it, made with today's parameters, should take the place of the old one.
    Outdated(PasswordHash),
}

/// Where a new password waits to be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashLine {
    /// With those who sign up.
    SignUp,
    /// With those who have an account: who sign in or change their password.
    SignIn,
}

/// Hashes passwords slowly, without holding up anything else: the work is done beside the threads that serve requests, so much of it at a
/// time and so much of it waiting, and no more. Of what waits, an address and a network have at most a share; those who sign up wait apart,
/// and never keep out those who sign in.
#[async_trait]
pub trait PasswordHasher: Send + Sync + 'static {
    /// The hash of a new password. With a time to wait: `UNAVAILABLE` when too much is waiting already, `RATE_LIMITED` when too much of it is
    /// from this site.
    async fn hash(&self, password: Password, line: HashLine, site: Site) -> Result<PasswordHash>;
    /// Compares, for somebody who signs in. Without a hash it takes as long as with one and says [`Verdict::Wrong`], so that time does not tell
    /// whether there is one. `UNAVAILABLE` and `RATE_LIMITED` as above.
    async fn verify(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
        site: Site,
    ) -> Result<Verdict>;
}

#[cfg(test)]
mod tests {
    use super::{Password, PasswordHash};

    #[test]
    fn neither_a_password_nor_its_hash_is_shown() {
        let shown = format!(
            "{:?} {:?}",
            Password::new("tr0ub4dor"),
            PasswordHash::new("$argon2id$secret")
        );
        assert!(
            !shown.contains("tr0ub4dor") && !shown.contains("secret"),
            "{shown}"
        );
    }
}
