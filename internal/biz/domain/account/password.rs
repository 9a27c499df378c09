//! Passwords and their hashes.

use crate::Result;
use crate::domain::Site;
use async_trait::async_trait;
use std::fmt;
use zeroize::Zeroizing;

/// A password in clear text. Masked in debug output, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes any text as a password, unchecked.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text, for hashing and for checks of its length.
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

/// The stored form of a password: a salted hash with its parameters, as a PHC string.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Box<str>);

impl PasswordHash {
    /// From the stored text, unchecked.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text to store.
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

/// The result of comparing a password with a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The password is another one, or there was no hash to compare with.
    Wrong,
    /// The password is right.
    Right,
    /// The password is right, and this hash, made with the present parameters, should replace the
    /// old one.
    Outdated(PasswordHash),
}

/// The queue in which a new password waits to be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashQueue {
    /// The queue of sign-ups.
    SignUp,
    /// The queue of existing accounts: sign-ins and changes of passwords.
    SignIn,
}

/// Hashes passwords slowly, outside the threads that serve requests. Running and waiting jobs are
/// bounded. An address and a network have a quota of the waiting jobs. Sign-ups wait in a queue of
/// their own, so that they never block sign-ins.
#[async_trait]
pub trait PasswordHasher: Send + Sync + 'static {
    /// Hashes a new password. `UNAVAILABLE` when too many jobs wait, `RATE_LIMITED` when too many
    /// of them come from this site; both say when to try again.
    async fn hash(&self, password: Password, line: HashQueue, site: Site) -> Result<PasswordHash>;
    /// Compares a password for a sign-in. Without a hash it takes as long as with one and returns
    /// [`Verdict::Wrong`], so that the time does not tell whether there is a hash. `UNAVAILABLE`
    /// and `RATE_LIMITED` as for [`hash`](Self::hash).
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
