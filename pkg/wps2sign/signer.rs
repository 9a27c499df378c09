//! Signing requests that go out.

use std::fmt;
use std::time::SystemTime;

use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use crate::message::Message;
use crate::scheme::Scheme;
use crate::{date, is_access_key};

/// Signs requests in one scheme with one secret.
pub struct Signer {
    scheme: Scheme,
    access_key: String,
    secret: SecretString,
}

/// Why credentials cannot be signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignerError {
    /// The access key cannot stand in a header.
    #[error("the access key must be 1 to 64 visible ASCII characters without a colon")]
    AccessKey,
    /// The secret is empty.
    #[error("the secret must not be empty")]
    Secret,
}

impl Signer {
    /// Takes the credentials that the receiving service has given out.
    ///
    /// # Errors
    /// [`SignerError`] when one of them cannot be used.
    pub fn new(
        scheme: Scheme,
        access_key: impl Into<String>,
        secret: SecretString,
    ) -> Result<Self, SignerError> {
        let access_key = access_key.into();
        if !is_access_key(&access_key) {
            return Err(SignerError::AccessKey);
        }
        if secret.expose_secret().is_empty() {
            return Err(SignerError::Secret);
        }
        Ok(Self {
            scheme,
            access_key,
            secret,
        })
    }

    /// The headers to add to the request, names in lower case. `Content-Type` is the caller's to
    /// send, exactly as it stands in the message.
    ///
    /// Equal messages signed within one second have equal signatures, and a receiver that keeps
    /// replays out refuses the second: repeat a request with the time at which it is repeated.
    #[must_use]
    pub fn sign(&self, message: &Message<'_>, now: SystemTime) -> Vec<(&'static str, String)> {
        let date = date::format(now);
        let signature = hex::encode(message.signature(self.scheme, &self.secret, &date));
        let authorization = format!("{}{}:{signature}", self.scheme.prefix(), self.access_key);
        let mut headers = vec![
            (self.scheme.date_header(), date),
            (self.scheme.authorization_header(), authorization),
        ];
        headers.extend(
            message
                .content_md5(self.scheme)
                .map(|md5| ("content-md5", md5)),
        );
        headers
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("scheme", &self.scheme)
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}
