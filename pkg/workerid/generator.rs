//! Generates ids and decodes them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::worker::WorkerId;

/// Milliseconds of the Unix epoch at which ids begin: 2025-01-01T00:00:00Z. It must never change:
/// every stored id is counted from it.
pub const EPOCH_MS: i64 = 1_735_689_600_000;

const SEQUENCE_BITS: u32 = 12;
const SEQUENCE_MASK: u64 = (1 << SEQUENCE_BITS) - 1;
const TIMESTAMP_SHIFT: u32 = SEQUENCE_BITS + WorkerId::BITS;
const MAX_TIMESTAMP: u64 = (1 << 41) - 1;

/// A clock for a [`Generator`]. It may jump in either direction.
pub trait TimeSource: Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> i64;
}

impl<F: Fn() -> i64 + Send + Sync> TimeSource for F {
    fn now_ms(&self) -> i64 {
        self()
    }
}

/// Generates ids for one worker. Lock-free; never blocks, sleeps or waits for the clock.
///
/// Ids of one generator are strictly increasing. When the 4096 ids of a millisecond are used up, or
/// the clock goes back, the generator continues from the last timestamp and so runs ahead of the
/// clock; [`Generator::drift_ms`] says how far.
pub struct Generator {
    worker: WorkerId,
    time: Box<dyn TimeSource>,
    /// The last (timestamp, sequence) as one number, `timestamp << 12 | sequence`. Its successor is
    /// +1, also across the end of a millisecond.
    last: AtomicU64,
}

impl Generator {
    /// Starts at the clock's time. If the clock may have gone back since the last process, use
    /// [`Generator::starting_after`].
    pub fn new(worker: WorkerId, time: impl TimeSource + 'static) -> Self {
        Self {
            worker,
            time: Box::new(time),
            last: AtomicU64::new(0),
        }
    }

    /// Generates only ids greater than `id`, the largest one known to be in use.
    pub fn starting_after(worker: WorkerId, time: impl TimeSource + 'static, id: u64) -> Self {
        // The whole millisecond of that id counts as used: another worker may have generated the
        // id.
        let floor = (id >> TIMESTAMP_SHIFT << SEQUENCE_BITS) | SEQUENCE_MASK;
        Self {
            worker,
            time: Box::new(time),
            last: AtomicU64::new(floor),
        }
    }

    /// The next id: greater than every earlier one of this generator, on any thread.
    pub fn next_id(&self) -> u64 {
        let now = self.ticks() << SEQUENCE_BITS;
        let successor = |last: u64| now.max(last + 1);
        let mut last = self.last.load(Ordering::Relaxed);
        // Relaxed is enough: the counter is the only shared state, and each value is used once. A
        // thread retries only when another thread has succeeded, so some thread always makes
        // progress.
        loop {
            let next = successor(last);
            match self
                .last
                .compare_exchange_weak(last, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return self.compose(next),
                Err(current) => last = current,
            }
        }
    }

    /// How far the last id's timestamp is ahead of the clock, in milliseconds; 0 if it is not. A
    /// value that stays high means that the clock was set back or that more than 4096 ids per
    /// millisecond are requested.
    pub fn drift_ms(&self) -> u64 {
        (self.last.load(Ordering::Relaxed) >> SEQUENCE_BITS).saturating_sub(self.ticks())
    }

    /// The worker whose ids it generates.
    #[must_use]
    pub const fn worker(&self) -> WorkerId {
        self.worker
    }

    /// The clock in milliseconds since [`EPOCH_MS`], limited to 41 bits.
    fn ticks(&self) -> u64 {
        let since_epoch = self.time.now_ms().saturating_sub(EPOCH_MS);
        u64::try_from(since_epoch).unwrap_or(0).min(MAX_TIMESTAMP)
    }

    fn compose(&self, last: u64) -> u64 {
        let timestamp = last >> SEQUENCE_BITS;
        timestamp << TIMESTAMP_SHIFT
            | u64::from(self.worker.get()) << SEQUENCE_BITS
            | (last & SEQUENCE_MASK)
    }
}

impl fmt::Debug for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator")
            .field("worker", &self.worker)
            .finish_non_exhaustive()
    }
}

/// When an id was generated: milliseconds since the Unix epoch, exact except for the generator's
/// drift.
#[must_use]
pub const fn timestamp_ms(id: u64) -> i64 {
    // At most 42 bits, so the cast keeps the value.
    (id >> TIMESTAMP_SHIFT) as i64 + EPOCH_MS
}

/// The worker that generated an id.
#[must_use]
pub const fn worker_of(id: u64) -> WorkerId {
    WorkerId::from_low_bits(id >> SEQUENCE_BITS)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;
    use std::sync::atomic::AtomicI64;
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = EPOCH_MS + 10_000_000_000;

    /// A clock that the test sets.
    #[derive(Clone)]
    struct ManualClock(Arc<AtomicI64>);

    impl ManualClock {
        fn at(ms: i64) -> Self {
            Self(Arc::new(AtomicI64::new(ms)))
        }

        fn set(&self, ms: i64) {
            self.0.store(ms, Ordering::Relaxed);
        }
    }

    impl TimeSource for ManualClock {
        fn now_ms(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn worker(number: u16) -> WorkerId {
        WorkerId::new(number).expect("a worker id")
    }

    #[test]
    fn an_id_contains_its_time_and_worker_and_fits_an_i64() {
        let id = Generator::new(worker(1023), || NOW).next_id();
        assert_eq!((timestamp_ms(id), worker_of(id)), (NOW, WorkerId::MAX));
        assert!(i64::try_from(id).is_ok());
        assert_eq!(id & SEQUENCE_MASK, 0);
    }

    #[test]
    fn the_epoch_is_the_first_of_january_2025() {
        let days_since_1970 = 55 * 365 + 14;
        assert_eq!(EPOCH_MS, days_since_1970 * 86_400_000);
    }

    #[test]
    fn a_used_up_millisecond_borrows_from_the_next_and_drift_reports_it() {
        let clock = ManualClock::at(NOW);
        let generator = Generator::new(worker(1), clock.clone());
        let ids: Vec<_> = (0..4097).map(|_| generator.next_id()).collect();
        assert_eq!(timestamp_ms(ids[4095]), NOW);
        assert_eq!(timestamp_ms(ids[4096]), NOW + 1);
        assert_eq!(generator.drift_ms(), 1);
        assert!(ids.iter().all(|id| worker_of(*id) == worker(1)));
        clock.set(NOW + 5);
        assert_eq!(generator.drift_ms(), 0);
        assert_eq!(timestamp_ms(generator.next_id()), NOW + 5);
    }

    #[test]
    fn a_clock_that_goes_back_neither_stops_nor_reorders_ids() {
        let clock = ManualClock::at(NOW);
        let generator = Generator::new(worker(1), clock.clone());
        let before = generator.next_id();
        clock.set(NOW - 3_600_000);
        let after = generator.next_id();
        assert!(after > before);
        assert_eq!(generator.drift_ms(), 3_600_000);
    }

    #[test]
    fn clocks_before_the_epoch_and_at_the_ends_of_time_still_give_increasing_ids() {
        let clock = ManualClock::at(i64::MIN);
        let generator = Generator::new(worker(0), clock.clone());
        let mut last = generator.next_id();
        for ms in [0, EPOCH_MS - 1, EPOCH_MS, i64::MAX, i64::MIN] {
            clock.set(ms);
            let next = generator.next_id();
            assert!(next > last && i64::try_from(next).is_ok(), "at {ms}");
            last = next;
        }
    }

    #[test]
    fn ids_start_after_the_given_one_whatever_the_clock_says() {
        let earlier = Generator::new(worker(1023), || NOW).next_id();
        let restarted = Generator::starting_after(worker(0), || NOW - 60_000, earlier);
        let next = restarted.next_id();
        assert!(next > earlier);
        assert_eq!(timestamp_ms(next), NOW + 1);
    }

    #[test]
    fn ids_are_unique_across_threads_and_workers_and_increase_on_each_thread() {
        const THREADS: usize = 8;
        const EACH: usize = 20_000;
        let generators = [1, 2].map(|n| Generator::new(worker(n), || NOW));
        let batches: Vec<Vec<u64>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|n| {
                    let generator = &generators[n % 2];
                    scope.spawn(move || (0..EACH).map(|_| generator.next_id()).collect())
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("a batch"))
                .collect()
        });
        assert!(batches.iter().all(|ids| ids.is_sorted_by(|a, b| a < b)));
        let distinct: HashSet<_> = batches.iter().flatten().collect();
        assert_eq!(distinct.len(), THREADS * EACH);
    }

    proptest! {
        #[test]
        fn ids_increase_under_any_walk_of_the_clock(steps in prop::collection::vec(-5_000_i64..5_000, 1..300)) {
            let clock = ManualClock::at(NOW);
            let generator = Generator::new(worker(7), clock.clone());
            let mut now = NOW;
            let mut last = 0;
            for step in steps {
                now += step;
                clock.set(now);
                let id = generator.next_id();
                prop_assert!(id > last);
                prop_assert!(timestamp_ms(id) >= now);
                prop_assert_eq!(generator.drift_ms(), u64::try_from(timestamp_ms(id) - now).expect("ahead"));
                last = id;
            }
        }

        #[test]
        fn any_clock_and_worker_decompose(ms in EPOCH_MS..EPOCH_MS + (1_i64 << 41), number in 0_u16..1024) {
            let id = Generator::new(worker(number), move || ms).next_id();
            prop_assert_eq!((timestamp_ms(id), worker_of(id).get()), (ms, number));
        }
    }
}
