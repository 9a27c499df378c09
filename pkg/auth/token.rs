//! A bearer token as a value.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// A bearer token. Its holder may act with it, so `Debug` does not show it and its memory is
/// zeroized.
#[derive(Clone)]
pub struct Token(SecretString);

impl Token {
    /// The text, to verify it or to send it to its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for Token {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Token {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
