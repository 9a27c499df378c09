//! A cache of tokens that were issued or verified lately, so that the token of a client that calls
//! often is not decrypted each time.
//!
//! An entry holds the token's own claims, and the caller checks on every call whether they have
//! expired and whether the family is revoked. Each ring of keys has caches of its own, which are
//! dropped with it.

use siphasher::sip128::{Hasher128 as _, SipHasher24};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many that callers on different threads seldom wait for the same lock.
const SHARDS: usize = 16;

/// The digest that stands for a token: it cannot be used as a token. The hash is keyed with a
/// random key that never leaves the process, so an attacker cannot search for two tokens with one
/// digest, and among 2^128 digests none meet by chance.
type Digested = u128;

/// Bounded; tokens that are used stay.
pub(crate) struct TokenCache<C> {
    key: [u8; 16],
    /// Tokens in one half of a shard.
    half: usize,
    shards: [Mutex<Halves<C>>; SHARDS],
}

/// When the fresh half is full it becomes the old one, and the previous old half is dropped.
struct Halves<C> {
    fresh: Table<C>,
    old: Table<C>,
}

type Table<C> = HashMap<Digested, C, BuildHasherDefault<Half>>;

impl<C: Copy> TokenCache<C> {
    /// Holds at most `tokens` tokens. Each takes its claims and 16 bytes, and up to as much again
    /// for the table.
    pub(crate) fn with_capacity(tokens: usize) -> Self {
        let shards = std::array::from_fn(|_| {
            Mutex::new(Halves {
                fresh: Table::default(),
                old: Table::default(),
            })
        });
        Self {
            key: rand::random(),
            half: tokens.div_ceil(2 * SHARDS),
            shards,
        }
    }

    /// Keeps the claims of a token that was issued just now.
    pub(crate) fn remember(&self, token: &str, claims: C) {
        let digest = self.digest(token);
        self.shard(digest).insert(digest, claims, self.half);
    }

    /// The claims of a token: from the cache, or else from `verify`, whose result is then kept.
    ///
    /// # Errors
    /// Those of `verify`; a refused token is not kept. So only issued tokens fill the cache, and
    /// their rate is limited.
    pub(crate) fn get_or_verify<E>(
        &self,
        token: &str,
        verify: impl FnOnce() -> Result<C, E>,
    ) -> Result<C, E> {
        let digest = self.digest(token);
        if let Some(cached) = self.shard(digest).get(&digest, self.half) {
            return Ok(cached);
        }
        let claims = verify()?;
        self.shard(digest).insert(digest, claims, self.half);
        Ok(claims)
    }

    fn shard(&self, digest: Digested) -> MutexGuard<'_, Halves<C>> {
        // The remainder is below 16, so the cast loses nothing.
        self.shards[(digest % SHARDS as u128) as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn digest(&self, token: &str) -> Digested {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(token.as_bytes());
        hasher.finish128().into()
    }
}

impl<C: Copy> Halves<C> {
    fn get(&mut self, digest: &Digested, half: usize) -> Option<C> {
        if let Some(cached) = self.fresh.get(digest) {
            return Some(*cached);
        }
        let cached = self.old.remove(digest)?;
        self.insert(*digest, cached, half);
        Some(cached)
    }

    fn insert(&mut self, digest: Digested, claims: C, half: usize) {
        if self.fresh.len() >= half {
            self.old = std::mem::take(&mut self.fresh);
        }
        self.fresh.insert(digest, claims);
    }
}

/// The key is a digest already, so its upper half is the hash. (The lower half chooses the shard.)
#[derive(Default)]
struct Half(u64);

impl Hasher for Half {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u128(&mut self, digest: u128) {
        self.0 = (digest >> u64::BITS) as u64;
    }

    /// Never called: all keys are digests.
    fn write(&mut self, _: &[u8]) {}
}

#[cfg(test)]
mod tests {
    use super::TokenCache;

    const CAPACITY: usize = 64 << 10;

    #[test]
    fn a_token_is_verified_once_and_a_bad_one_each_time() {
        let cached = TokenCache::with_capacity(CAPACITY);
        assert_eq!(cached.get_or_verify("bad", || Err("no")), Err("no"));
        assert_eq!(cached.get_or_verify("good", || Ok::<_, &str>(7)), Ok(7));
        assert_eq!(cached.get_or_verify("good", || Err("asked again")), Ok(7));
        assert_eq!(
            cached.get_or_verify("bad", || Err("still no")),
            Err("still no")
        );
    }

    #[test]
    fn a_token_that_was_issued_here_is_not_verified() {
        let cached = TokenCache::with_capacity(CAPACITY);
        cached.remember("mine", 7);
        assert_eq!(cached.get_or_verify("mine", || Err("asked")), Ok(7));
    }

    #[test]
    fn a_token_is_not_taken_for_another_and_digests_differ_between_caches() {
        let (cached, other) = (
            TokenCache::with_capacity(CAPACITY),
            TokenCache::<u32>::with_capacity(CAPACITY),
        );
        assert_eq!(
            cached.get_or_verify("v4.local.abc", || Ok::<_, ()>(7)),
            Ok(7)
        );
        for near in [
            "v4.local.ab",
            "v4.local.abcd",
            "v4.local.abd",
            "v4.local.abc\0",
            "",
        ] {
            assert_eq!(cached.get_or_verify(near, || Err(near)), Err(near));
        }
        assert_ne!(cached.digest("v4.local.abc"), other.digest("v4.local.abc"));
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_used() {
        let cached = TokenCache::with_capacity(CAPACITY);
        assert_eq!(cached.get_or_verify("mine", || Ok::<_, ()>(0)), Ok(0));
        for number in 1..2 * CAPACITY {
            assert_eq!(
                cached.get_or_verify(&number.to_string(), || Ok::<_, ()>(number)),
                Ok(number)
            );
            if number % 1_000 == 0 {
                assert_eq!(cached.get_or_verify("mine", || Err("forgotten")), Ok(0));
            }
        }
        let kept: usize = cached
            .shards
            .iter()
            .map(|s| {
                s.lock()
                    .map(|h| h.fresh.len() + h.old.len())
                    .unwrap_or_default()
            })
            .sum();
        assert!(kept <= CAPACITY, "{kept}");
    }
}
