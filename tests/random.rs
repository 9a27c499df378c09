//! A random generator whose runs can be repeated: it prints its seed, and `FACESHARE_SEED` sets it.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// A pseudo-random generator (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Uses `FACESHARE_SEED`, or a new seed. It prints the seed, so that a failure can be repeated.
    ///
    /// # Panics
    /// When `FACESHARE_SEED` is no number.
    #[must_use]
    pub fn from_env_or_new() -> Self {
        let given = std::env::var("FACESHARE_SEED")
            .ok()
            .map(|seed| seed.parse().expect("FACESHARE_SEED is a number"));
        let seed = given.unwrap_or_else(|| {
            std::collections::hash_map::RandomState::new()
                .build_hasher()
                .finish()
        });
        eprintln!("FACESHARE_SEED={seed}");
        Self(seed)
    }

    /// Another generator with a seed from this one, for another task.
    pub fn fork(&mut self) -> Self {
        Self(self.any())
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.any() % bound
    }

    /// A random element.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let index = self.below(from.len() as u64);
        &from[usize::try_from(index).expect("an index")]
    }

    /// A duration from `from` to below `to` milliseconds.
    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}
