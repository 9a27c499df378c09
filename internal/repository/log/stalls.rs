//! Where a commit is made: on the thread of the runtime that asks for it, or on one that may block.
//!
//! To hand a commit over takes two turns of the scheduler and as many calls of the system, about as much as a small commit itself. Without a
//! flush of the disk a commit is a few writes into the system's cache, which hardly ever wait, so a small one is made at once. When they have
//! waited after all, the disk is busy: those of the next while are handed over, and what else the thread has to do waits for none of them.
//!
//! Even so the first commit after a checkpoint may flush ([`Ledger::may_flush`](super::ledger::Ledger::may_flush)), and is handed over always.

use crate::sqlite::Synchronous;
use std::time::{Duration, Instant};

/// With more than this a commit takes longer than it takes to hand it over, by far. What it files of what is pending does not count: that it is
/// seldom much is left to the average below.
const ENTRIES: usize = 64;
const BYTES: usize = 64 << 10;
/// Commits that take this long on average wait: by itself one takes some tens of microseconds, and few are so unlucky as to lose the processor
/// on the way.
const LONG: Duration = Duration::from_millis(1);
/// The average is, about, over so many commits: one that takes so many times as long is enough to be taken for waiting.
const OVER: u32 = 16;
/// How long commits are handed over then, and for as long as they still wait. Until then a thread of the runtime has waited for less than `LONG`
/// a commit, or for one that took very long.
const WHILE: Duration = Duration::from_secs(10);

/// What is known of how long commits take.
#[derive(Debug)]
pub(super) struct Stalls {
    /// A commit flushes the disk, and always waits.
    flushes: bool,
    average: Duration,
    /// Until then commits are taken to wait.
    until: Option<Instant>,
}

impl Stalls {
    pub(super) const fn new(synchronous: Synchronous) -> Self {
        Self { flushes: matches!(synchronous, Synchronous::Full), average: Duration::ZERO, until: None }
    }

    /// Whether a commit of so much may be made without leaving the thread.
    pub(super) fn unlikely(&self, entries: usize, bytes: usize, now: Instant) -> bool {
        !self.flushes && is_small(entries, bytes) && self.until.is_none_or(|until| until <= now)
    }

    /// A commit of so much took so long, wherever it was made.
    pub(super) fn committed(&mut self, entries: usize, bytes: usize, took: Duration, now: Instant) {
        if !is_small(entries, bytes) {
            return;
        }
        self.average = self.average * (OVER - 1) / OVER + took / OVER;
        if self.average >= LONG {
            (self.average, self.until) = (Duration::ZERO, Some(now + WHILE));
        }
    }
}

const fn is_small(entries: usize, bytes: usize) -> bool {
    entries <= ENTRIES && bytes <= BYTES
}

#[cfg(test)]
mod tests {
    use super::{BYTES, ENTRIES, LONG, OVER, Stalls, WHILE};
    use crate::sqlite::Synchronous::{Full, Normal};
    use std::time::{Duration, Instant};

    const INSTANT: Duration = Duration::from_nanos(1);

    #[test]
    fn a_small_commit_stays_and_a_large_one_and_one_that_flushes_do_not() {
        let now = Instant::now();
        let normal = Stalls::new(Normal);
        assert!(normal.unlikely(ENTRIES, BYTES, now));
        assert!(!normal.unlikely(ENTRIES + 1, BYTES, now) && !normal.unlikely(ENTRIES, BYTES + 1, now));
        assert!(!Stalls::new(Full).unlikely(1, 1, now));
    }

    #[test]
    fn after_those_that_waited_the_next_ones_are_handed_over_for_a_while() {
        let now = Instant::now();
        let mut stalls = Stalls::new(Normal);
        stalls.committed(1, 1, LONG * OVER, now);
        assert!(!stalls.unlikely(1, 1, now) && !stalls.unlikely(1, 1, now + WHILE - INSTANT));
        assert!(stalls.unlikely(1, 1, now + WHILE));
        // Nobody has to wait on a thread of the runtime to find out that the disk is as slow as before.
        stalls.committed(1, 1, LONG * OVER, now + WHILE / 2);
        assert!(!stalls.unlikely(1, 1, now + WHILE));
    }

    #[test]
    fn one_that_lost_the_processor_is_not_taken_for_waiting_and_a_slow_disk_is() {
        let now = Instant::now();
        let mut stalls = Stalls::new(Normal);
        stalls.committed(1, 1, LONG * OVER / 2, now);
        stalls.committed(ENTRIES + 1, 1, LONG * OVER, now);
        assert!(stalls.unlikely(1, 1, now), "nor a large one, which takes its time");
        (0..OVER).for_each(|_| stalls.committed(1, 1, LONG * 3 / 2, now));
        assert!(!stalls.unlikely(1, 1, now));
    }
}
