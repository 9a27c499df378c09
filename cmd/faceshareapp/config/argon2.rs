//! `argon2.*`: what a password hash costs, and how many are made at a time.

use std::num::NonZeroUsize;

use super::section::Section;

/// Memory in KiB times passes: the least of all combinations that OWASP's password storage cheat
/// sheet recommends (7 MiB, 5 passes).
const LEAST_WORK: u64 = 7168 * 5;

/// How passwords are hashed.
#[derive(Debug, Clone)]
pub(crate) struct Argon2 {
    /// Memory of one hash.
    pub(crate) memory_kib: u32,
    /// Passes over it.
    pub(crate) iterations: u32,
    /// Lanes of argon2.
    pub(crate) parallelism: u32,
    /// Hashes at a time. 0: half of the cores.
    concurrency: usize,
    /// Sign-ins that wait for a hash, and separately as many sign-ups.
    pub(crate) queue: usize,
    /// Of those that wait or run, for one address. 0: any number.
    pub(crate) queue_per_address: usize,
    /// The same for one network. 0: any number.
    pub(crate) queue_per_network: usize,
    /// Hash with almost no work, for benchmarks, instead of with the three parameters.
    pub(crate) test_parameters: bool,
}

impl Argon2 {
    pub(super) fn read(section: &mut Section<'_, '_>, benchmark: bool) -> Self {
        let argon2 = Self {
            memory_kib: section.number("memory_kib", 19_456, 7168..=4_194_304),
            iterations: section.number("iterations", 2, 1..=100),
            parallelism: section.number("parallelism", 1, 1..=16),
            concurrency: section.number("concurrency", 0, 0..=256),
            queue: section.number("queue", 64, 0..=10_000),
            queue_per_address: section.number("queue_per_address", 16, 0..=10_000),
            queue_per_network: section.number("queue_per_network", 32, 0..=10_000),
            test_parameters: section.flag("test_parameters", false),
        };
        let work = u64::from(argon2.memory_kib) * u64::from(argon2.iterations);
        if work < LEAST_WORK {
            let message = format!(
                "is too few: with argon2.memory_kib, {}, it comes to less than OWASP recommends",
                argon2.memory_kib
            );
            section.problem("iterations", message);
        }
        if argon2.test_parameters && !benchmark {
            section
                .problem("test_parameters", "is for benchmarks: passwords kept with it are as good as unprotected; see benchmark.enabled");
        }
        argon2
    }

    /// Hashes at a time on this machine, at least 1.
    pub(crate) fn concurrency(&self) -> usize {
        match self.concurrency {
            0 => (std::thread::available_parallelism().map_or(1, NonZeroUsize::get) / 2).max(1),
            set => set,
        }
    }
}
