//! Decides where a commit runs: inline, on the runtime's thread, or on a thread that may block.
//!
//! A handover costs two scheduler switches and as many system calls, about as much as a small
//! commit. Without a flush a commit is a few writes into the system's cache, which hardly ever
//! wait, so a small commit runs inline. If such commits did wait, the disk is busy: then the next
//! ones are handed over, so that other tasks of the runtime's thread wait for none of them.
//!
//! Even so the first commit after a checkpoint may flush
//! ([`LogFile::may_flush`](super::log_file::LogFile::may_flush)), and is always handed over.

use crate::sqlite::Synchronous;
use std::time::{Duration, Instant};

/// Above these sizes a commit takes much longer than a handover. The pending entries that it merges
/// do not count: they are seldom many, and if they are, the average below shows it.
const ENTRIES_MAX: usize = 64;
const BYTES_MAX: usize = 64 << 10;
/// Commits that take this long on average have waited. A commit takes some tens of microseconds by
/// itself and seldom loses the processor in between.
const WAITING_AVERAGE: Duration = Duration::from_millis(1);
/// The average covers about this many commits, so one commit that takes this many times
/// [`WAITING_AVERAGE`] is enough to count as waiting.
const AVERAGE_COMMITS: u32 = 16;
/// How long commits are then handed over, and again for as long as they still wait. Before that, a
/// runtime thread has waited for less than [`WAITING_AVERAGE`] per commit, or for one commit that
/// took very long.
const HANDOVER_FOR: Duration = Duration::from_secs(10);

/// What is known of the duration of commits.
#[derive(Debug)]
pub(super) struct CommitPlacement {
    /// Whether every commit flushes the disk, and therefore waits.
    flushes: bool,
    average: Duration,
    /// Until then commits are expected to wait.
    until: Option<Instant>,
}

impl CommitPlacement {
    pub(super) const fn new(synchronous: Synchronous) -> Self {
        Self {
            flushes: matches!(synchronous, Synchronous::Full),
            average: Duration::ZERO,
            until: None,
        }
    }

    /// Whether a commit of this size may run without leaving the thread.
    pub(super) fn may_run_inline(&self, entries: usize, bytes: usize, now: Instant) -> bool {
        !self.flushes && is_small(entries, bytes) && self.until.is_none_or(|until| until <= now)
    }

    /// Records how long a commit of this size took, wherever it ran.
    pub(super) fn record(&mut self, entries: usize, bytes: usize, took: Duration, now: Instant) {
        if !is_small(entries, bytes) {
            return;
        }
        self.average =
            self.average * (AVERAGE_COMMITS - 1) / AVERAGE_COMMITS + took / AVERAGE_COMMITS;
        if self.average >= WAITING_AVERAGE {
            (self.average, self.until) = (Duration::ZERO, Some(now + HANDOVER_FOR));
        }
    }
}

const fn is_small(entries: usize, bytes: usize) -> bool {
    entries <= ENTRIES_MAX && bytes <= BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::{
        AVERAGE_COMMITS, BYTES_MAX, CommitPlacement, ENTRIES_MAX, HANDOVER_FOR, WAITING_AVERAGE,
    };
    use crate::sqlite::Synchronous::{Full, Normal};
    use std::time::{Duration, Instant};

    const INSTANT: Duration = Duration::from_nanos(1);

    #[test]
    fn a_small_commit_runs_inline_and_a_large_one_and_one_that_flushes_do_not() {
        let now = Instant::now();
        let normal = CommitPlacement::new(Normal);
        assert!(normal.may_run_inline(ENTRIES_MAX, BYTES_MAX, now));
        assert!(
            !normal.may_run_inline(ENTRIES_MAX + 1, BYTES_MAX, now)
                && !normal.may_run_inline(ENTRIES_MAX, BYTES_MAX + 1, now)
        );
        assert!(!CommitPlacement::new(Full).may_run_inline(1, 1, now));
    }

    #[test]
    fn after_commits_that_waited_the_next_ones_are_handed_over_for_a_while() {
        let now = Instant::now();
        let mut placement = CommitPlacement::new(Normal);
        placement.record(1, 1, WAITING_AVERAGE * AVERAGE_COMMITS, now);
        assert!(
            !placement.may_run_inline(1, 1, now)
                && !placement.may_run_inline(1, 1, now + HANDOVER_FOR - INSTANT)
        );
        assert!(placement.may_run_inline(1, 1, now + HANDOVER_FOR));
        // No runtime thread has to wait to find out that the disk is still slow.
        placement.record(
            1,
            1,
            WAITING_AVERAGE * AVERAGE_COMMITS,
            now + HANDOVER_FOR / 2,
        );
        assert!(!placement.may_run_inline(1, 1, now + HANDOVER_FOR));
    }

    #[test]
    fn one_slow_commit_does_not_count_as_waiting_and_a_slow_disk_does() {
        let now = Instant::now();
        let mut placement = CommitPlacement::new(Normal);
        placement.record(1, 1, WAITING_AVERAGE * AVERAGE_COMMITS / 2, now);
        placement.record(ENTRIES_MAX + 1, 1, WAITING_AVERAGE * AVERAGE_COMMITS, now);
        assert!(
            placement.may_run_inline(1, 1, now),
            "nor a large one, which takes its time"
        );
        (0..AVERAGE_COMMITS).for_each(|_| placement.record(1, 1, WAITING_AVERAGE * 3 / 2, now));
        assert!(!placement.may_run_inline(1, 1, now));
    }
}
