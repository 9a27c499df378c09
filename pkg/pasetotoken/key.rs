//! One master key: its name (`kid`), its 32 secret bytes, and the reasons to refuse a secret.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Length of a master key in bytes.
pub(crate) const KEY_LEN: usize = 32;
/// Unpadded base64 of [`KEY_LEN`] bytes, in characters.
const KEY_TEXT_LEN: usize = 43;
/// The longest name of a key, in bytes.
const MAX_KID_LEN: usize = 32;
/// A random key has 30 distinct bytes on average; the chance of fewer than 16 is below 1e-18.
const MIN_DISTINCT_BYTES: usize = 16;
/// Words that are common in placeholders. The chance that a random key's text contains one of them
/// is about 1e-8; the operator then generates another key.
const PLACEHOLDER_WORDS: [&str; 6] = [
    "changeme",
    "change-me",
    "change_me",
    "example",
    "placeholder",
    "replaceme",
];

/// Why one entry of a key list was refused. Never holds any part of the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// The entry is not `kid:secret`.
    #[error("expected \"kid:secret\"")]
    NoSeparator,
    /// The name is empty, too long, or has other characters than `A-Za-z0-9_-`.
    #[error("the kid must be 1 to 32 characters of A-Z a-z 0-9 _ -")]
    Kid,
    /// The secret is not unpadded base64url.
    #[error("the secret must be base64url without padding")]
    Encoding,
    /// The secret has another length than 32 bytes.
    #[error("the secret must be 32 bytes, which is 43 characters of base64url")]
    Length,
    /// The secret is a pattern, a text or a documented example rather than random bytes.
    #[error("the secret is an example or a pattern, not 32 random bytes: generate one")]
    Weak,
    /// An earlier entry has the same name.
    #[error("another entry has the same kid")]
    DuplicateKid,
    /// An earlier entry has the same secret under another name.
    #[error("another entry has the same secret")]
    DuplicateSecret,
}

/// The public name of a key, which stands in the footer of every token made with it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Kid(String);

impl Kid {
    pub(crate) fn parse(text: &str) -> Result<Self, KeyFault> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if text.is_empty() || text.len() > MAX_KID_LEN || !text.bytes().all(allowed) {
            return Err(KeyFault::Kid);
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A named master key. It encrypts nothing directly: see `derive`.
#[derive(Debug)]
pub(crate) struct MasterKey {
    pub(crate) kid: Kid,
    secret: SecretBox<[u8; KEY_LEN]>,
}

impl MasterKey {
    /// Parses the secret half of `kid:secret`.
    pub(crate) fn parse(kid: Kid, text: &str) -> Result<Self, KeyFault> {
        if text.len() != KEY_TEXT_LEN {
            let is_base64 = text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
            return Err(if is_base64 {
                KeyFault::Length
            } else {
                KeyFault::Encoding
            });
        }
        let bytes = Zeroizing::new(
            URL_SAFE_NO_PAD
                .decode(text)
                .map_err(|_| KeyFault::Encoding)?,
        );
        if bytes.len() != KEY_LEN {
            return Err(KeyFault::Length);
        }
        if is_weak(&bytes) || is_placeholder(text) {
            return Err(KeyFault::Weak);
        }
        Ok(Self::from_bytes(kid, &bytes))
    }

    /// `bytes` must be [`KEY_LEN`] long, which both callers have checked.
    pub(crate) fn from_bytes(kid: Kid, bytes: &[u8]) -> Self {
        // Filled in place: a value built first and boxed afterwards would leave a copy in memory.
        let secret = SecretBox::init_with_mut(|key: &mut [u8; KEY_LEN]| key.copy_from_slice(bytes));
        Self { kid, secret }
    }

    pub(crate) fn expose(&self) -> &[u8; KEY_LEN] {
        self.secret.expose_secret()
    }

    pub(crate) fn same_secret(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }

    /// Formats the entry that [`MasterKey::parse`] accepts.
    pub(crate) fn to_config_string(&self) -> SecretString {
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.expose()));
        SecretString::from(format!("{}:{}", self.kid.as_str(), text.as_str()))
    }
}

/// Whether the bytes follow a pattern that no random source produces in practice.
pub(crate) fn is_weak(bytes: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in bytes {
        seen[usize::from(*byte)] = true;
    }
    let distinct = seen.iter().filter(|present| **present).count();
    let steps_by = |step: u8| {
        bytes
            .windows(2)
            .all(|pair| pair[0].wrapping_add(step) == pair[1])
    };
    let repeats =
        (1..=bytes.len() / 2).any(|period| bytes[period..] == bytes[..bytes.len() - period]);
    let printable = bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
    distinct < MIN_DISTINCT_BYTES || repeats || steps_by(1) || steps_by(u8::MAX) || printable
}

fn is_placeholder(text: &str) -> bool {
    let lower = Zeroizing::new(text.to_ascii_lowercase());
    PLACEHOLDER_WORDS.iter().any(|word| lower.contains(word))
}
