//! Small secrets encrypted at rest.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::envelope::{Envelope, OpenFault};
use crate::ring::KeyRing;

/// The longest secret in bytes. Its sealed text is below 64 KiB, which every database stores as
/// text.
pub const MAX_PLAINTEXT_LEN: usize = 34 * 1024;

/// The longest sealed text: base64 twice (4/3 each) with room for nonce, tag and footer.
const MAX_SEALED_LEN: usize = MAX_PLAINTEXT_LEN * 16 / 9 + 512;

const USAGE: &str = "seal";

/// Why a secret could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The plaintext is longer than [`MAX_PLAINTEXT_LEN`].
    #[error("the secret exceeds {MAX_PLAINTEXT_LEN} bytes")]
    TooLong,
    /// Not a sealed text.
    #[error("the sealed text is malformed")]
    Malformed,
    /// Sealed with a key that this ring does not (or no longer) hold.
    #[error("the secret was sealed with an unknown key")]
    UnknownKey,
    /// Altered, or sealed under another label.
    #[error("the sealed text is forged or has another label")]
    WrongLabelOrForged,
    /// The operating system returned no random bytes for the nonce.
    #[error("the operating system's random source failed")]
    Entropy,
}

/// Encrypts and authenticates small secrets. The label says what a secret is (and, if the caller
/// puts an id into it, whose). A text sealed under one label does not open under another, so
/// ciphertexts cannot be swapped between columns or rows.
pub struct Sealer {
    envelope: Envelope,
}

impl Sealer {
    /// Derives the sealing key from every key of the ring.
    #[must_use]
    pub fn new(ring: &KeyRing) -> Self {
        Self {
            envelope: Envelope::new(ring, USAGE),
        }
    }

    /// Seals with the active key. Sealing the same secret twice gives different texts.
    ///
    /// # Errors
    /// [`SealError::TooLong`] or [`SealError::Entropy`].
    pub fn seal(&self, label: &str, plaintext: &[u8]) -> Result<String, SealError> {
        if plaintext.len() > MAX_PLAINTEXT_LEN {
            return Err(SealError::TooLong);
        }
        // A PASETO payload is UTF-8 JSON and never empty, so the bytes become a JSON string of
        // base64.
        let mut message = Zeroizing::new(String::with_capacity(plaintext.len() * 4 / 3 + 4));
        message.push('"');
        URL_SAFE_NO_PAD.encode_string(plaintext, &mut message);
        message.push('"');
        self.envelope
            .close(message.as_bytes(), &assertion(label))
            .map_err(|_| SealError::Entropy)
    }

    /// Opens a text that any key of the ring sealed under the same label.
    ///
    /// # Errors
    /// [`SealError`] says why it does not open.
    pub fn open(&self, label: &str, sealed: &str) -> Result<Vec<u8>, SealError> {
        if sealed.len() > MAX_SEALED_LEN {
            return Err(SealError::Malformed);
        }
        let message = self.envelope.open(sealed, &assertion(label))?;
        let text = message
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .ok_or(SealError::Malformed)?;
        URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| SealError::Malformed)
    }
}

fn assertion(label: &str) -> Vec<u8> {
    format!("{USAGE}/{label}").into_bytes()
}

impl From<OpenFault> for SealError {
    fn from(fault: OpenFault) -> Self {
        match fault {
            OpenFault::Malformed => Self::Malformed,
            OpenFault::UnknownKey => Self::UnknownKey,
            OpenFault::Forged => Self::WrongLabelOrForged,
        }
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("kids", &self.envelope.kids())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;
    use crate::{Purpose, TokenError, TokenService};

    fn ring() -> KeyRing {
        KeyRing::generate().expect("a ring")
    }

    #[test]
    fn a_secret_opens_under_its_own_label_alone() {
        let sealer = Sealer::new(&ring());
        let sealed = sealer.seal("number-code", b"482915").expect("sealed");
        assert!(!sealed.contains("482915"));
        assert_eq!(sealer.open("number-code", &sealed), Ok(b"482915".to_vec()));
        assert_eq!(
            sealer.open("invite", &sealed),
            Err(SealError::WrongLabelOrForged)
        );
        assert_eq!(sealer.open("", &sealed), Err(SealError::WrongLabelOrForged));
    }

    #[test]
    fn rotation_opens_old_secrets_until_the_old_key_is_dropped() {
        let (old, new) = (ring(), ring());
        let entries = [new.to_config_strings(), old.to_config_strings()].concat();
        let both = KeyRing::parse(entries.iter().map(ExposeSecret::expose_secret)).expect("a ring");
        let sealed = Sealer::new(&old).seal("l", b"s").expect("sealed");
        assert_eq!(Sealer::new(&both).open("l", &sealed), Ok(b"s".to_vec()));
        assert_eq!(
            Sealer::new(&new).open("l", &sealed),
            Err(SealError::UnknownKey)
        );
    }

    #[test]
    fn the_longest_secret_is_sealed_and_a_longer_one_is_refused() {
        let sealer = Sealer::new(&ring());
        let longest = vec![0xff; MAX_PLAINTEXT_LEN];
        let sealed = sealer.seal("l", &longest).expect("sealed");
        assert_eq!(sealer.open("l", &sealed), Ok(longest));
        assert_eq!(
            sealer.seal("l", &vec![0; MAX_PLAINTEXT_LEN + 1]),
            Err(SealError::TooLong)
        );
        assert_eq!(
            sealer.open("l", &"v".repeat(MAX_SEALED_LEN + 1)),
            Err(SealError::Malformed)
        );
    }

    #[test]
    fn a_sealed_text_is_no_token_and_a_token_does_not_open() {
        let ring = ring();
        let (sealer, tokens) = (
            Sealer::new(&ring),
            TokenService::new(&ring, crate::Audience::Clients),
        );
        let sealed = sealer.seal("token/access", b"{}").expect("sealed");
        let as_token = tokens.verify::<serde_json::Value>(Purpose::Access, &sealed, 0);
        assert_eq!(as_token, Err(TokenError::WrongPurposeOrForged));
        let token = tokens
            .issue(Purpose::Access, &1, 0, std::time::Duration::from_secs(1))
            .expect("a token");
        assert_eq!(
            sealer.open("token/access", &token),
            Err(SealError::WrongLabelOrForged)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_bytes_under_any_label_are_opened_as_they_were_sealed(label in ".{0,40}", plain in prop::collection::vec(any::<u8>(), 0..300)) {
            let sealer = Sealer::new(&ring());
            let sealed = sealer.seal(&label, &plain).expect("sealed");
            prop_assert_eq!(sealer.open(&label, &sealed), Ok(plain));
        }

        #[test]
        fn any_text_is_refused_without_a_panic(text in "(v4\\.local\\.)?[A-Za-z0-9_.=\u{e9}-]{0,200}") {
            prop_assert!(Sealer::new(&ring()).open("l", &text).is_err());
        }
    }
}
