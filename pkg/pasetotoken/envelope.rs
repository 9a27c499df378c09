//! The common form of tokens and sealed secrets: `v4.local.<body>.<footer>` with the key's name in
//! the footer as `{"kid":"…"}`, encrypted with the derived key of one use.

use pasetors::errors::Error as PasetoError;
use pasetors::keys::SymmetricKey;
use pasetors::token::{Local, UntrustedToken};
use pasetors::version4::{LocalToken, V4};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::derive::derive;
use crate::key::Kid;
use crate::ring::KeyRing;

/// The longest footer in base64; ours needs at most 56 characters.
const MAX_FOOTER_TEXT_LEN: usize = 128;

/// Why a text could not be decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenFault {
    Malformed,
    UnknownKey,
    Forged,
}

/// The operating system returned no random bytes for the nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntropyFault;

struct UsageKey {
    kid: Kid,
    footer: Vec<u8>,
    key: SymmetricKey<V4>,
}

/// The keys of one use, derived from every key of the ring, the active one first.
pub(crate) struct Envelope {
    keys: Vec<UsageKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Footer<'a> {
    // Borrowed: a kid needs no escapes, so serde refuses one that has them.
    kid: &'a str,
}

impl Envelope {
    pub(crate) fn new(ring: &KeyRing, usage: &str) -> Self {
        let keys = ring.keys().iter().map(|master| UsageKey {
            kid: master.kid.clone(),
            footer: format!("{{\"kid\":\"{}\"}}", master.kid.as_str()).into_bytes(),
            key: SymmetricKey::from(derive(master, usage).as_slice())
                .expect("invariant: a derived key has the length of a v4.local key"),
        });
        Self {
            keys: keys.collect(),
        }
    }

    /// Encrypts with the active key. `message` must not be empty; `assertion` is authenticated but
    /// not included.
    pub(crate) fn close(&self, message: &[u8], assertion: &[u8]) -> Result<String, EntropyFault> {
        debug_assert!(!message.is_empty(), "PASETO has no empty payload");
        let active = self.keys.first().expect("invariant: a ring is never empty");
        LocalToken::encrypt(&active.key, message, Some(&active.footer), Some(assertion))
            .map_err(|_| EntropyFault)
    }

    /// Decrypts with the key that the footer names. The caller has checked the length of `text`.
    pub(crate) fn open(
        &self,
        text: &str,
        assertion: &[u8],
    ) -> Result<Zeroizing<String>, OpenFault> {
        let footer_len = text.rsplit('.').next().map_or(0, str::len);
        if footer_len > MAX_FOOTER_TEXT_LEN {
            return Err(OpenFault::Malformed);
        }
        let untrusted =
            UntrustedToken::<Local, V4>::try_from(text).map_err(|_| OpenFault::Malformed)?;
        // Not pasetors' own footer parser, which compiles a regex on every call (110 µs).
        let footer: Footer<'_> = serde_json::from_slice(untrusted.untrusted_footer())
            .map_err(|_| OpenFault::Malformed)?;
        let named = self
            .keys
            .iter()
            .find(|key| key.kid.as_str() == footer.kid)
            .ok_or(OpenFault::UnknownKey)?;
        let trusted = LocalToken::decrypt(&named.key, &untrusted, None, Some(assertion)).map_err(
            |e| match e {
                PasetoError::PayloadInvalidUtf8 => OpenFault::Malformed,
                _ => OpenFault::Forged,
            },
        )?;
        Ok(Zeroizing::new(trusted.payload().to_owned()))
    }

    /// The names of the keys, for `Debug`.
    pub(crate) fn kids(&self) -> Vec<&Kid> {
        self.keys.iter().map(|key| &key.kid).collect()
    }
}
