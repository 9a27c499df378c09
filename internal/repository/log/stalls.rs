//! Where a commit is made: on the thread of the runtime that asks for it, or on one that may block.
//!
//! To hand a commit over takes two turns of the scheduler and as many calls of the system, about as much as a small commit itself. Without a
//! flush of the disk a commit is a few writes into the system's cache, which hardly ever wait, so a small one is made at once. When one has
//! waited after all, the disk is busy: those of the next while are handed over, and what else the thread has to do waits for none of them.

use crate::sqlite::Synchronous;
use std::time::{Duration, Instant};

/// With more than this a commit takes longer than it takes to hand it over, by far.
const ENTRIES: usize = 64;
const BYTES: usize = 64 << 10;
/// A commit that took this long has waited: by itself it takes some tens of microseconds.
const LONG: Duration = Duration::from_millis(5);
/// How long the commits after it are handed over. A disk that makes everybody wait does so once in this time.
const WHILE: Duration = Duration::from_secs(10);

/// What is known of how long commits take.
#[derive(Debug)]
pub(super) struct Stalls {
    /// A commit flushes the disk, and always waits.
    flushes: bool,
    /// Until then commits are taken to wait.
    until: Option<Instant>,
}

impl Stalls {
    pub(super) const fn new(synchronous: Synchronous) -> Self {
        Self { flushes: matches!(synchronous, Synchronous::Full), until: None }
    }

    /// Whether a commit of so much may be made without leaving the thread.
    pub(super) fn unlikely(&self, entries: usize, bytes: usize, now: Instant) -> bool {
        !self.flushes && entries <= ENTRIES && bytes <= BYTES && self.until.is_none_or(|until| until <= now)
    }

    /// A commit without leaving the thread took from then until now.
    pub(super) fn committed(&mut self, began: Instant, now: Instant) {
        if now.duration_since(began) >= LONG {
            self.until = Some(now + WHILE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES, ENTRIES, LONG, Stalls, WHILE};
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
    fn after_one_that_waited_the_next_ones_are_handed_over_for_a_while() {
        let began = Instant::now();
        let mut stalls = Stalls::new(Normal);
        stalls.committed(began, began + LONG - INSTANT);
        assert!(stalls.unlikely(1, 1, began + LONG));
        let waited = began + LONG;
        stalls.committed(began, waited);
        assert!(!stalls.unlikely(1, 1, waited) && !stalls.unlikely(1, 1, waited + WHILE - INSTANT));
        assert!(stalls.unlikely(1, 1, waited + WHILE));
    }
}
