//! How far back a session can be resumed: which entries of the present epoch are still in the log.

use crate::instruction::settings::ResumeBounds;
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::instruction::{Retained, Seq};
use std::collections::VecDeque;

/// Entries that are trimmed at a time, at least.
const TRIM_STEP: u64 = 128;

/// The entries that a client may still ask for, bounded by age, frames and bytes.
#[derive(Debug)]
pub(crate) struct ResumeWindow {
    entries: VecDeque<Retained>,
    bytes: u64,
    /// Everything after this seq is here.
    floor: Seq,
    /// Up to this index the log may forget ...
    expired_to: u64,
    /// ... and up to this one it was told to.
    trimmed_to: u64,
    bounds: ResumeBounds,
}

impl ResumeWindow {
    /// A window over what the log still holds. The oldest entry is not counted on: how many frames
    /// it holds is not known.
    pub(crate) fn new(retained: Vec<Retained>, bounds: ResumeBounds) -> Self {
        let floor = retained.first().map_or(Seq::NONE, |r| r.last_seq);
        let bytes = retained.iter().map(|r| u64::from(r.size)).sum();
        let trimmed_to = retained.first().map_or(0, |r| r.index.saturating_sub(1));
        Self {
            entries: retained.into(),
            bytes,
            floor,
            expired_to: trimmed_to,
            trimmed_to,
            bounds,
        }
    }

    /// A new epoch: nothing before it can be resumed.
    pub(crate) fn restart(&mut self) {
        self.entries.clear();
        (self.bytes, self.floor) = (0, Seq::NONE);
    }

    pub(crate) fn push(&mut self, entry: Retained) {
        self.bytes += u64::from(entry.size);
        self.entries.push_back(entry);
    }

    /// Whether a client that has seen everything up to `seen` can get the frames up to `head` from
    /// the log.
    pub(crate) fn covers(&self, seen: Seq, head: Seq) -> bool {
        self.floor <= seen && seen <= head
    }

    /// Removes the entries that are out of bounds.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        while let Some(oldest) = self.entries.front().copied()
            && self.is_out_of_bounds(oldest, now)
        {
            self.entries.pop_front();
            self.bytes -= u64::from(oldest.size);
            self.floor = oldest.last_seq;
            self.expired_to = oldest.index;
        }
    }

    /// The index up to which the log may forget, now and then: to forget many entries at once costs
    /// little more than to forget one.
    pub(crate) fn trim(&mut self) -> Option<u64> {
        if self.expired_to < self.trimmed_to + TRIM_STEP {
            return None;
        }
        self.trimmed_to = self.expired_to;
        Some(self.expired_to)
    }

    fn is_out_of_bounds(&self, oldest: Retained, now: Timestamp) -> bool {
        let head = self.entries.back().map_or(self.floor, |e| e.last_seq);
        let frames = head.get() - self.floor.get();
        now.since(oldest.at) > self.bounds.age
            || frames > self.bounds.frames
            || self.bytes > self.bounds.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{ResumeBounds, ResumeWindow};
    use faceshare_biz::domain::Timestamp;
    use faceshare_biz::domain::instruction::{Retained, Seq};
    use std::time::Duration;

    fn entry(index: u64, last_seq: u32, at: i64) -> Retained {
        Retained {
            index,
            last_seq: Seq::new(last_seq),
            at: Timestamp::from_millis(at),
            size: 10,
        }
    }

    fn window(age: u64, frames: u32, bytes: u64) -> ResumeWindow {
        ResumeWindow::new(
            vec![entry(1, 0, 0)],
            ResumeBounds {
                age: Duration::from_millis(age),
                frames,
                bytes,
            },
        )
    }

    #[test]
    fn a_fresh_session_can_be_resumed_from_its_beginning() {
        let mut window = window(1000, 100, 1000);
        window.push(entry(2, 2, 1));
        assert!(window.covers(Seq::NONE, Seq::new(2)));
        assert!(window.covers(Seq::new(2), Seq::new(2)));
        assert!(
            !window.covers(Seq::new(3), Seq::new(2)),
            "the future is not here"
        );
    }

    #[test]
    fn age_frames_and_bytes_each_bound_it() {
        for (age, frames, bytes) in [(5, 100, 1000), (1000, 2, 1000), (1000, 100, 25)] {
            let mut window = window(age, frames, bytes);
            for i in 2..=5 {
                window.push(entry(
                    i,
                    u32::try_from(i).expect("small") - 1,
                    2 * i64::try_from(i).expect("small"),
                ));
            }
            window.expire(Timestamp::from_millis(10));
            assert!(
                !window.covers(Seq::NONE, Seq::new(4)),
                "{age} {frames} {bytes}"
            );
            assert!(
                window.covers(Seq::new(3), Seq::new(4)),
                "{age} {frames} {bytes}"
            );
        }
    }

    #[test]
    fn the_log_is_told_to_forget_many_entries_at_a_time() {
        let mut window = window(1000, 1, 1 << 20);
        let mut told = Vec::new();
        for i in 2..=1000 {
            window.push(entry(u64::from(i), i - 1, 0));
            window.expire(Timestamp::from_millis(0));
            told.extend(window.trim());
        }
        assert_eq!(
            told,
            (1..=7).map(|n| n * super::TRIM_STEP).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_trimmed_log_does_not_promise_its_oldest_entry() {
        let bounds = ResumeBounds {
            age: Duration::from_secs(1),
            frames: 10,
            bytes: 100,
        };
        let window = ResumeWindow::new(vec![entry(8, 20, 0), entry(9, 21, 0)], bounds);
        assert!(!window.covers(Seq::new(19), Seq::new(21)));
        assert!(window.covers(Seq::new(20), Seq::new(21)));
    }
}
