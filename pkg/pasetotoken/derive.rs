//! Derives the key of one use from a master key.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::key::{KEY_LEN, MasterKey};

/// Separates these keys from other future uses of a master secret.
const DOMAIN: &[u8] = b"pasetotoken/v1/";

pub(crate) type DerivedKey = Zeroizing<[u8; KEY_LEN]>;

/// HKDF-Expand (RFC 5869) of one block. The master secret is uniformly random, so the extract step
/// is not needed. Different uses give unrelated keys.
pub(crate) fn derive(master: &MasterKey, usage: &str) -> DerivedKey {
    Zeroizing::new(hmac_sha256(
        master.expose(),
        &[DOMAIN, usage.as_bytes(), &[1]],
    ))
}

/// HMAC-SHA256 over the concatenated parts. The caller frames them where that matters.
pub(crate) fn hmac_sha256(key: &[u8; KEY_LEN], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key).expect("invariant: HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Kid;

    fn master(fill: u8) -> MasterKey {
        MasterKey::from_bytes(Kid::parse("k").expect("a kid"), &[fill; KEY_LEN])
    }

    #[test]
    fn hmac_agrees_with_rfc_4231_in_its_padded_key_form() {
        // Test case 1 of RFC 4231: a key of 20 bytes; HMAC pads with zeros, so 32 give the same.
        let mut key = [0; KEY_LEN];
        key[..20].fill(0x0b);
        let expected = [0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53];
        assert_eq!(hmac_sha256(&key, &[b"Hi ", b"There"])[..8], expected);
    }

    #[test]
    fn keys_differ_by_use_and_by_master() {
        assert_eq!(derive(&master(7), "a"), derive(&master(7), "a"));
        assert_ne!(derive(&master(7), "a"), derive(&master(7), "b"));
        assert_ne!(derive(&master(7), "a"), derive(&master(8), "a"));
    }
}
