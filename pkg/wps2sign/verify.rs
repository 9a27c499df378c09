//! Verifying requests that come in.

use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::message::Message;
use crate::scheme::Scheme;
use crate::{date, is_access_key};

/// How far the date of a signature may lie before or after the verifier's clock.
pub const MAX_SKEW: Duration = Duration::from_secs(5 * 60);

/// The longest authorization header that is looked at: scheme, access key and 64 hex digits.
const MAX_HEADER_LEN: usize = 6 + crate::MAX_ACCESS_KEY_LEN + 1 + 64;

/// A signature as a request presents it, not verified yet.
#[derive(Clone, Debug)]
pub struct Presented {
    scheme: Scheme,
    access_key: String,
    date: String,
    signed_at: SystemTime,
    content_md5: Option<String>,
    signature: Vec<u8>,
}

/// Headers that claim to carry a signature and do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PresentedError {
    /// The authorization header is not `<scheme><access key>:<hex signature>`.
    #[error("the authorization header is malformed")]
    Authorization,
    /// The date header is missing or not an HTTP date.
    #[error("the date header is missing or not an HTTP date")]
    Date,
}

/// Why a signature is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// The date is more than [`MAX_SKEW`] away from now.
    #[error("the signature's date is more than 5 minutes away")]
    Skew,
    /// `Content-Md5` is not the body's.
    #[error("the body is not the one that was signed")]
    Body,
    /// The signature is not the one that the secret makes of the message.
    #[error("the signature does not match")]
    Signature,
}

/// A signature that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a verified signature must be remembered, or the request can be sent again"]
pub struct Verified {
    /// Names this signature of this access key. A second request with the same is a replay.
    pub replay_key: [u8; 32],
    /// Until when the key must be remembered: from then on the date is too old anyway.
    pub expires_at: SystemTime,
}

impl Presented {
    /// Finds the signature of the given scheme in a request's headers: `header` answers with the
    /// one value of the header of that name, in lower case. `None`: the request carries none.
    ///
    /// # Errors
    /// [`PresentedError`] when the request carries one that cannot be read.
    pub fn from_headers<'h>(
        scheme: Scheme,
        header: impl Fn(&str) -> Option<&'h str>,
    ) -> Result<Option<Self>, PresentedError> {
        let claim = header(scheme.authorization_header())
            .and_then(|value| value.strip_prefix(scheme.prefix()));
        let Some(claim) = claim else {
            return Ok(None);
        };
        let (access_key, signature) = credentials(claim).ok_or(PresentedError::Authorization)?;
        let date = header(scheme.date_header()).ok_or(PresentedError::Date)?;
        Ok(Some(Self {
            scheme,
            access_key: access_key.to_owned(),
            signed_at: date::parse(date).ok_or(PresentedError::Date)?,
            date: date.to_owned(),
            content_md5: header("content-md5").map(str::to_owned),
            signature,
        }))
    }

    /// The scheme that the request is signed in.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whose secret to verify with.
    #[must_use]
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// Checks the signature against the message as it was received. The time that this takes does
    /// not depend on how much of the signature is right.
    ///
    /// # Errors
    /// [`VerifyError`] says which check failed. Callers are best told one thing for all of them.
    pub fn verify(
        &self,
        message: &Message<'_>,
        secret: &SecretString,
        now: SystemTime,
    ) -> Result<Verified, VerifyError> {
        if date::distance(self.signed_at, now) > MAX_SKEW {
            return Err(VerifyError::Skew);
        }
        let expected = message.signature(self.scheme, secret, &self.date);
        let matches = expected.ct_eq(&self.signature);
        if !bool::from(matches) || secret.expose_secret().is_empty() {
            return Err(VerifyError::Signature);
        }
        // The signature covers the hash that was computed here, so a wrong header cannot pass for
        // another body; it is refused because the sender and the receiver disagree.
        let content_md5 = message.content_md5(self.scheme);
        if self.content_md5.is_some() && content_md5.is_some() && self.content_md5 != content_md5 {
            return Err(VerifyError::Body);
        }
        Ok(Verified {
            replay_key: self.replay_key(&expected),
            expires_at: self.signed_at + MAX_SKEW,
        })
    }

    fn replay_key(&self, signature: &[u8]) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.scheme.prefix());
        hasher.update(&self.access_key);
        hasher.update(b":");
        hasher.update(signature);
        hasher.finalize().into()
    }
}

/// Parts `<access key>:<hex>` and decodes the signature.
fn credentials(claim: &str) -> Option<(&str, Vec<u8>)> {
    if claim.len() > MAX_HEADER_LEN {
        return None;
    }
    let (access_key, signature) = claim.split_once(':')?;
    let signature = hex::decode(signature).ok()?;
    (is_access_key(access_key) && !signature.is_empty()).then_some((access_key, signature))
}
