//! The ordered list of master keys and its form in a configuration file.

use std::fmt;

use rand::TryRng as _;
use rand::rngs::SysRng;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::key::{KEY_LEN, KeyFault, Kid, MasterKey, is_weak};

/// The most keys of a ring. Rotation needs two; the bound limits the cost of a look-up over all
/// keys.
pub const MAX_KEYS: usize = 16;

/// Why a ring of keys could not be created. Never holds any part of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// The list has no entry, so no key could issue.
    #[error("at least one key is needed")]
    Empty,
    /// The list has more than [`MAX_KEYS`] entries.
    #[error("at most {MAX_KEYS} keys are allowed")]
    TooMany,
    /// One entry is unacceptable.
    #[error("key {position}{}: {fault}", named(kid.as_deref()))]
    Entry {
        /// Position in the list, counted from 1.
        position: usize,
        /// The key's name, if it is valid.
        kid: Option<String>,
        /// The reason.
        fault: KeyFault,
    },
    /// The operating system returned no random bytes.
    #[error("the operating system's random source failed")]
    Entropy,
}

fn named(kid: Option<&str>) -> String {
    kid.map(|kid| format!(" ({kid})")).unwrap_or_default()
}

/// Master keys in order: the first issues, all verify. Never empty; no name or secret occurs twice.
pub struct KeyRing {
    keys: Vec<MasterKey>,
}

impl KeyRing {
    /// Parses entries of the form `kid:secret`: the name is 1 to 32 characters of `A-Za-z0-9_-`,
    /// the secret 32 random bytes in base64url without padding.
    ///
    /// # Errors
    /// [`KeyRingError`] names the first entry that is unacceptable and the reason.
    pub fn parse<I, S>(entries: I) -> Result<Self, KeyRingError>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<str>,
    {
        let mut keys: Vec<MasterKey> = Vec::new();
        for (index, entry) in entries.into_iter().enumerate() {
            if index == MAX_KEYS {
                return Err(KeyRingError::TooMany);
            }
            let position = index + 1;
            let key =
                parse_entry(entry.as_ref(), &keys).map_err(|(kid, fault)| KeyRingError::Entry {
                    position,
                    kid,
                    fault,
                })?;
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(KeyRingError::Empty);
        }
        Ok(Self { keys })
    }

    /// Creates one key from the operating system's random source, under a random name.
    ///
    /// # Errors
    /// [`KeyRingError::Entropy`] if that source fails, or returns a pattern.
    pub fn generate() -> Result<Self, KeyRingError> {
        let mut secret = Zeroizing::new([0_u8; KEY_LEN]);
        let mut name = [0_u8; 4];
        SysRng
            .try_fill_bytes(secret.as_mut_slice())
            .map_err(|_| KeyRingError::Entropy)?;
        SysRng
            .try_fill_bytes(&mut name)
            .map_err(|_| KeyRingError::Entropy)?;
        if is_weak(secret.as_slice()) {
            return Err(KeyRingError::Entropy);
        }
        let kid = Kid::parse(&format!("k{:08x}", u32::from_be_bytes(name)))
            .expect("invariant: nine hexadecimal characters are a valid kid");
        Ok(Self {
            keys: vec![MasterKey::from_bytes(kid, secret.as_slice())],
        })
    }

    /// The entries that [`KeyRing::parse`] accepts, to write a key file. They are secrets.
    #[must_use]
    pub fn to_config_strings(&self) -> Vec<SecretString> {
        self.keys.iter().map(MasterKey::to_config_string).collect()
    }

    /// The name of the key that issues.
    #[must_use]
    pub fn active_kid(&self) -> &str {
        self.keys
            .first()
            .expect("invariant: a ring is never empty")
            .kid
            .as_str()
    }

    /// The names of all keys, the active one first.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.kid.as_str())
    }

    pub(crate) fn keys(&self) -> &[MasterKey] {
        &self.keys
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("kids", &self.kids().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Parses one entry; an error includes the entry's name if that could be parsed.
fn parse_entry(
    entry: &str,
    earlier: &[MasterKey],
) -> Result<MasterKey, (Option<String>, KeyFault)> {
    let (name, secret) = entry.split_once(':').ok_or((None, KeyFault::NoSeparator))?;
    let kid = Kid::parse(name).map_err(|fault| (None, fault))?;
    let at_kid = |fault| (Some(name.to_owned()), fault);
    if earlier.iter().any(|key| key.kid == kid) {
        return Err(at_kid(KeyFault::DuplicateKid));
    }
    let key = MasterKey::parse(kid, secret).map_err(at_kid)?;
    if earlier.iter().any(|other| other.same_secret(&key)) {
        return Err(at_kid(KeyFault::DuplicateSecret));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    fn entry(kid: &str, bytes: &[u8]) -> String {
        format!("{kid}:{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    fn random_bytes() -> [u8; 32] {
        let mut bytes = [0; 32];
        SysRng.try_fill_bytes(&mut bytes).expect("random bytes");
        bytes
    }

    fn fault_of(entries: &[String]) -> (usize, Option<String>, KeyFault) {
        match KeyRing::parse(entries) {
            Err(KeyRingError::Entry {
                position,
                kid,
                fault,
            }) => (position, kid, fault),
            other => panic!("expected a faulty entry, got {other:?}"),
        }
    }

    #[test]
    fn a_generated_ring_reads_back_from_its_config_strings() {
        let ring = KeyRing::generate().expect("a ring");
        let written = ring.to_config_strings();
        let read =
            KeyRing::parse(written.iter().map(ExposeSecret::expose_secret)).expect("read back");
        assert_eq!(read.active_kid(), ring.active_kid());
        assert!(read.keys()[0].same_secret(&ring.keys()[0]));
    }

    #[test]
    fn the_first_entry_is_active_and_order_is_kept() {
        let ring = KeyRing::parse([entry("new", &random_bytes()), entry("old", &random_bytes())])
            .expect("a ring");
        assert_eq!(ring.active_kid(), "new");
        assert_eq!(ring.kids().collect::<Vec<_>>(), ["new", "old"]);
    }

    #[test]
    fn an_empty_and_an_overlong_list_are_refused() {
        assert_eq!(
            KeyRing::parse(Vec::<String>::new()).expect_err("empty"),
            KeyRingError::Empty
        );
        let many: Vec<_> = (0..=MAX_KEYS)
            .map(|n| entry(&format!("k{n}"), &random_bytes()))
            .collect();
        assert_eq!(
            KeyRing::parse(&many).expect_err("too many"),
            KeyRingError::TooMany
        );
        assert!(KeyRing::parse(&many[..MAX_KEYS]).is_ok());
    }

    #[test]
    fn every_kind_of_faulty_entry_is_named_with_its_position() {
        let good = entry("good", &random_bytes());
        let second = |bad: String| fault_of(&[good.clone(), bad]);
        let valid = URL_SAFE_NO_PAD.encode(random_bytes());
        assert_eq!(second(valid.clone()), (2, None, KeyFault::NoSeparator));
        assert_eq!(second(format!(":{valid}")), (2, None, KeyFault::Kid));
        assert_eq!(
            second(format!("{}:{valid}", "k".repeat(33))),
            (2, None, KeyFault::Kid)
        );
        assert_eq!(second(format!("k.1:{valid}")), (2, None, KeyFault::Kid));
        let named = |fault| (2, Some("b".to_owned()), fault);
        assert_eq!(
            second(format!("b:{}", &valid[..42])),
            named(KeyFault::Length)
        );
        assert_eq!(second(format!("b:{valid}=")), named(KeyFault::Encoding));
        assert_eq!(
            second(format!("b:{}!", &valid[..42])),
            named(KeyFault::Encoding)
        );
        assert_eq!(second("b:".to_owned()), named(KeyFault::Length));
        assert_eq!(
            fault_of(&[good.clone(), good.clone()]).2,
            KeyFault::DuplicateKid
        );
        assert_eq!(
            second(good.replacen("good", "b", 1)),
            named(KeyFault::DuplicateSecret)
        );
    }

    #[test]
    fn patterns_texts_and_placeholders_are_refused() {
        let ascending: Vec<u8> = (0..32).collect();
        let descending: Vec<u8> = (0..32).rev().collect();
        let mut block = random_bytes();
        block.copy_within(0..16, 16);
        let weak: [&[u8]; 6] = [
            &[0; 32],
            &[0xff; 32],
            &ascending,
            &descending,
            &block,
            b"correct horse battery staple 123",
        ];
        for bytes in weak {
            assert_eq!(
                fault_of(&[entry("k", bytes)]).2,
                KeyFault::Weak,
                "{bytes:?}"
            );
        }
        let mut text = URL_SAFE_NO_PAD.encode(random_bytes());
        text.replace_range(4..13, "Change-Me");
        assert_eq!(fault_of(&[format!("k:{text}")]).2, KeyFault::Weak);
    }

    #[test]
    fn neither_debug_nor_errors_show_a_secret() {
        let bytes = random_bytes();
        let text = URL_SAFE_NO_PAD.encode(bytes);
        let ring = KeyRing::parse([format!("k1:{text}")]).expect("a ring");
        let shown = format!("{ring:?} {:?} {:?}", ring.keys(), ring.to_config_strings());
        assert!(!shown.contains(&text) && !shown.contains(&format!("{:?}", &bytes[..4])));
        for bad in [format!("k1:{text}x"), text.clone(), format!("{text}:k1")] {
            let error = KeyRing::parse([bad]).expect_err("a fault");
            assert!(!format!("{error} {error:?}").contains(&text));
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(entry in ".{0,80}") {
            let _ = KeyRing::parse([entry]);
        }

        #[test]
        fn an_accepted_entry_is_written_as_it_was_read(kid in "[A-Za-z0-9_-]{1,32}", bytes: [u8; 32]) {
            prop_assume!(!is_weak(&bytes));
            let entry = entry(&kid, &bytes);
            if let Ok(ring) = KeyRing::parse([&entry]) {
                let written = ring.to_config_strings();
                prop_assert_eq!(written[0].expose_secret(), &entry);
            }
        }
    }
}
