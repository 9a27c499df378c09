//! Tokens that have been verified lately, so that a client that calls often is not decrypted each time.
//!
//! What is kept is what the token itself says, and only for as long as it says so; whether its family has been revoked is asked elsewhere, on
//! every call. Keys that are dropped take what was verified with them along: each set of keys has a memory of its own.

use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, PoisonError};

/// Callers on different threads seldom meet at one lock.
const SHARDS: usize = 16;
/// Tokens in one half of a shard. All in all 64 Ki tokens are kept at most, about 6 MB.
const HALF: usize = 2_048;

/// A token, as it is remembered: nobody can call with this.
type Digested = [u8; 32];

/// Bounded; what is used stays.
pub(crate) struct Verified<C> {
    shards: [Mutex<Halves<C>>; SHARDS],
}

/// When the fresh half is full it becomes the old one, and what was old is forgotten.
struct Halves<C> {
    fresh: Table<C>,
    old: Table<C>,
}

type Table<C> = HashMap<Digested, C, BuildHasherDefault<Prefix>>;

impl<C: Copy> Verified<C> {
    pub(crate) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::new(Halves { fresh: Table::default(), old: Table::default() })) }
    }

    /// What this token says, if it is known here; else what `verify` finds, which is then remembered.
    ///
    /// # Errors
    /// Those of `verify`; nothing is remembered of a token that was refused, so that strangers cannot fill the memory.
    pub(crate) fn get_or_verify<E>(&self, token: &str, verify: impl FnOnce() -> Result<C, E>) -> Result<C, E> {
        let digest: Digested = Sha256::digest(token.as_bytes()).into();
        let shard = &self.shards[usize::from(digest[0]) % SHARDS];
        let lock = || shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&digest) {
            return Ok(known);
        }
        let claims = verify()?;
        lock().insert(digest, claims);
        Ok(claims)
    }
}

impl<C: Copy> Halves<C> {
    fn get(&mut self, digest: &Digested) -> Option<C> {
        if let Some(known) = self.fresh.get(digest) {
            return Some(*known);
        }
        let known = self.old.remove(digest)?;
        self.insert(*digest, known);
        Some(known)
    }

    fn insert(&mut self, digest: Digested, claims: C) {
        if self.fresh.len() >= HALF {
            self.old = std::mem::take(&mut self.fresh);
        }
        self.fresh.insert(digest, claims);
    }
}

/// The key is a digest already: eight of its bytes are as good a hash as any. (The first one has chosen the shard.)
#[derive(Default)]
struct Prefix(u64);

impl Hasher for Prefix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some((eight, _)) = bytes.get(1..).and_then(<[u8]>::split_first_chunk) {
            self.0 = u64::from_le_bytes(*eight);
        }
    }

    /// The length of the digest, which is always the same.
    fn write_usize(&mut self, _length: usize) {}
}

#[cfg(test)]
mod tests {
    use super::{HALF, SHARDS, Verified};

    #[test]
    fn a_token_is_verified_once_and_a_bad_one_each_time() {
        let verified = Verified::new();
        assert_eq!(verified.get_or_verify("bad", || Err("no")), Err("no"));
        assert_eq!(verified.get_or_verify("good", || Ok::<_, &str>(7)), Ok(7));
        assert_eq!(verified.get_or_verify("good", || Err("asked again")), Ok(7));
        assert_eq!(verified.get_or_verify("bad", || Err("still no")), Err("still no"));
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_what_is_used() {
        let verified = Verified::new();
        assert_eq!(verified.get_or_verify("mine", || Ok::<_, ()>(0)), Ok(0));
        for number in 1..(4 * HALF * SHARDS) {
            assert_eq!(verified.get_or_verify(&number.to_string(), || Ok::<_, ()>(number)), Ok(number));
            if number % 1_000 == 0 {
                assert_eq!(verified.get_or_verify("mine", || Err("forgotten")), Ok(0));
            }
        }
        let kept: usize = verified.shards.iter().map(|s| s.lock().map(|h| h.fresh.len() + h.old.len()).unwrap_or_default()).sum();
        assert!(kept <= 2 * HALF * SHARDS, "{kept}");
    }
}
