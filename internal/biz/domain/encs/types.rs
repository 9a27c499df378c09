//! Data keys, plain and wrapped.

use std::fmt;
use zeroize::Zeroizing;

/// The key that a session's files are encrypted under. Its memory is overwritten when it is
/// dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct DataKey(Box<Zeroizing<[u8; Self::LEN]>>);

impl DataKey {
    /// The bytes of a key.
    pub const LEN: usize = 32;

    /// A key whose bytes `fill` writes, from a cryptographic source of random bytes.
    pub fn filled(fill: impl FnOnce(&mut [u8; Self::LEN])) -> Self {
        let mut key = Self(Box::new(Zeroizing::new([0; Self::LEN])));
        fill(&mut key.0);
        key
    }

    /// The bytes. Copies of them are not overwritten.
    #[must_use]
    pub fn expose(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

/// A data key as it is stored: only the agent that wrapped it can unwrap it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WrappedKey {
    /// The agent's key that it is wrapped under.
    pub key_id: String,
    /// The wrapped key, opaque.
    pub wrapped: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::DataKey;

    #[test]
    fn a_key_is_not_shown() {
        let key = DataKey::filled(|bytes| bytes.fill(0xA7));
        assert_eq!(key.expose(), &[0xA7; 32]);
        assert_eq!(format!("{key:?}"), "DataKey");
    }
}
