//! Keyed hashes: look a secret up without storing it.

use std::fmt;

use crate::derive::{DerivedKey, derive, hmac_sha256};
use crate::key::Kid;
use crate::ring::KeyRing;

const USAGE: &str = "fingerprint";

/// Makes HMAC-SHA256 fingerprints. Without the key, guesses cannot be tested against a fingerprint,
/// which matters for secrets as short as a number code. Labels separate the uses.
pub struct Fingerprinter {
    /// In the ring's order, the active key first.
    keys: Vec<(Kid, DerivedKey)>,
}

impl Fingerprinter {
    /// Derives the fingerprint key from every key of the ring.
    #[must_use]
    pub fn new(ring: &KeyRing) -> Self {
        let keys = ring
            .keys()
            .iter()
            .map(|master| (master.kid.clone(), derive(master, USAGE)));
        Self {
            keys: keys.collect(),
        }
    }

    /// The fingerprint under the active key, which is the one to store.
    #[must_use]
    pub fn fingerprint(&self, label: &str, data: &[u8]) -> [u8; 32] {
        let (_, active) = self.keys.first().expect("invariant: a ring is never empty");
        fingerprint(active, label, data)
    }

    /// The fingerprints under every key of the ring, the active one first. A look-up tries all of
    /// them, so that values stored before a rotation are found.
    #[must_use]
    pub fn fingerprints(&self, label: &str, data: &[u8]) -> Vec<[u8; 32]> {
        self.keys
            .iter()
            .map(|(_, key)| fingerprint(key, label, data))
            .collect()
    }
}

fn fingerprint(key: &DerivedKey, label: &str, data: &[u8]) -> [u8; 32] {
    // The label's length comes first, so that ("ab", "c") and ("a", "bc") differ.
    let label_len = (label.len() as u64).to_be_bytes();
    hmac_sha256(key, &[&label_len, label.as_bytes(), data])
}

impl fmt::Debug for Fingerprinter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids: Vec<_> = self.keys.iter().map(|(kid, _)| kid).collect();
        f.debug_struct("Fingerprinter")
            .field("kids", &kids)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn during_rotation_the_old_fingerprint_is_still_looked_up() {
        let (old, new) = (
            KeyRing::generate().expect("a ring"),
            KeyRing::generate().expect("a ring"),
        );
        let entries = [new.to_config_strings(), old.to_config_strings()].concat();
        let both = KeyRing::parse(entries.iter().map(ExposeSecret::expose_secret)).expect("a ring");
        let [old, new, both] = [&old, &new, &both].map(Fingerprinter::new);
        let looked_for = both.fingerprints("code", b"482915");
        assert_eq!(
            looked_for,
            [
                new.fingerprint("code", b"482915"),
                old.fingerprint("code", b"482915")
            ]
        );
        assert_eq!(both.fingerprint("code", b"482915"), looked_for[0]);
    }

    proptest! {
        #[test]
        fn fingerprints_agree_exactly_when_label_and_data_do(
            labels in prop::array::uniform2("[ab]{0,3}"),
            data in prop::array::uniform2("[ab]{0,3}"),
        ) {
            let printer = Fingerprinter::new(&KeyRing::generate().expect("a ring"));
            let [one, two] = [0, 1].map(|n| printer.fingerprint(&labels[n], data[n].as_bytes()));
            prop_assert_eq!(one == two, labels[0] == labels[1] && data[0] == data[1]);
        }
    }
}
