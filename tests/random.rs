//! Chance that can be repeated: the seed is printed, and `FACESHARE_SEED` brings it back.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// A stream of numbers that its seed determines (SplitMix64).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// From `FACESHARE_SEED`, or from a new seed; says which, for whoever must repeat a failure.
    ///
    /// # Panics
    /// When `FACESHARE_SEED` is no number.
    #[must_use]
    pub fn announced() -> Self {
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

    /// Another stream, for a task of its own.
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

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let index = self.below(from.len() as u64);
        &from[usize::try_from(index).expect("an index")]
    }

    /// A time span of `from` to `to` milliseconds.
    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}
