//! Tokens that have been issued or verified lately, so that a client that calls often is not decrypted each time.
//!
//! What is kept is what the token itself says, and only for as long as it says so; whether its family has been revoked is asked elsewhere, on
//! every call. Keys that are dropped take what is known of their tokens along: each set of keys has a memory of its own.

use siphasher::sip128::{Hasher128 as _, SipHasher24};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Callers on different threads seldom meet at one lock.
const SHARDS: usize = 16;

/// A token, as it is remembered: nobody can call with this. Keyed, with a key that nobody is ever told and that ends with the process: a token
/// that is taken for another one cannot be looked for, only stumbled upon, and among 2^128 that does not happen.
type Digested = u128;

/// Bounded; what is used stays.
pub(crate) struct Known<C> {
    key: [u8; 16],
    /// Tokens in one half of a shard.
    half: usize,
    shards: [Mutex<Halves<C>>; SHARDS],
}

/// When the fresh half is full it becomes the old one, and what was old is forgotten.
struct Halves<C> {
    fresh: Table<C>,
    old: Table<C>,
}

type Table<C> = HashMap<Digested, C, BuildHasherDefault<Half>>;

impl<C: Copy> Known<C> {
    /// With place for so many tokens. Each takes its claims and 16 bytes, and up to as much again for the table.
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

    /// This token, which was issued just now, says this.
    pub(crate) fn remember(&self, token: &str, claims: C) {
        let digest = self.digest(token);
        self.shard(digest).insert(digest, claims, self.half);
    }

    /// What this token says, if it is known here; else what `verify` finds, which is then remembered.
    ///
    /// # Errors
    /// Those of `verify`; nothing is remembered of a token that was refused. What fills the memory is what was issued, which has rates.
    pub(crate) fn get_or_verify<E>(
        &self,
        token: &str,
        verify: impl FnOnce() -> Result<C, E>,
    ) -> Result<C, E> {
        let digest = self.digest(token);
        if let Some(known) = self.shard(digest).get(&digest, self.half) {
            return Ok(known);
        }
        let claims = verify()?;
        self.shard(digest).insert(digest, claims, self.half);
        Ok(claims)
    }

    fn shard(&self, digest: Digested) -> MutexGuard<'_, Halves<C>> {
        // The remainder is below 16: nothing is cut off.
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
        if let Some(known) = self.fresh.get(digest) {
            return Some(*known);
        }
        let known = self.old.remove(digest)?;
        self.insert(*digest, known, half);
        Some(known)
    }

    fn insert(&mut self, digest: Digested, claims: C, half: usize) {
        if self.fresh.len() >= half {
            self.old = std::mem::take(&mut self.fresh);
        }
        self.fresh.insert(digest, claims);
    }
}

/// The key is a digest already: half of it is as good a hash as any. (The other half has chosen the shard.)
#[derive(Default)]
struct Half(u64);

impl Hasher for Half {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u128(&mut self, digest: u128) {
        self.0 = (digest >> u64::BITS) as u64;
    }

    /// Nothing but digests is looked up.
    fn write(&mut self, _: &[u8]) {}
}

#[cfg(test)]
mod tests {
    use super::Known;

    const PLACES: usize = 64 << 10;

    #[test]
    fn a_token_is_verified_once_and_a_bad_one_each_time() {
        let known = Known::with_capacity(PLACES);
        assert_eq!(known.get_or_verify("bad", || Err("no")), Err("no"));
        assert_eq!(known.get_or_verify("good", || Ok::<_, &str>(7)), Ok(7));
        assert_eq!(known.get_or_verify("good", || Err("asked again")), Ok(7));
        assert_eq!(
            known.get_or_verify("bad", || Err("still no")),
            Err("still no")
        );
    }

    #[test]
    fn a_token_that_was_issued_here_is_not_verified() {
        let known = Known::with_capacity(PLACES);
        known.remember("mine", 7);
        assert_eq!(known.get_or_verify("mine", || Err("asked")), Ok(7));
    }

    #[test]
    fn a_token_is_not_taken_for_another_and_its_digest_is_of_this_process_alone() {
        let (known, other) = (
            Known::with_capacity(PLACES),
            Known::<u32>::with_capacity(PLACES),
        );
        assert_eq!(
            known.get_or_verify("v4.local.abc", || Ok::<_, ()>(7)),
            Ok(7)
        );
        for near in [
            "v4.local.ab",
            "v4.local.abcd",
            "v4.local.abd",
            "v4.local.abc\0",
            "",
        ] {
            assert_eq!(known.get_or_verify(near, || Err(near)), Err(near));
        }
        assert_ne!(known.digest("v4.local.abc"), other.digest("v4.local.abc"));
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_what_is_used() {
        let known = Known::with_capacity(PLACES);
        assert_eq!(known.get_or_verify("mine", || Ok::<_, ()>(0)), Ok(0));
        for number in 1..2 * PLACES {
            assert_eq!(
                known.get_or_verify(&number.to_string(), || Ok::<_, ()>(number)),
                Ok(number)
            );
            if number % 1_000 == 0 {
                assert_eq!(known.get_or_verify("mine", || Err("forgotten")), Ok(0));
            }
        }
        let kept: usize = known
            .shards
            .iter()
            .map(|s| {
                s.lock()
                    .map(|h| h.fresh.len() + h.old.len())
                    .unwrap_or_default()
            })
            .sum();
        assert!(kept <= PLACES, "{kept}");
    }
}
