//! What was counted: deliveries, latencies, and everything that should not have happened.

use super::wire::Position;
use anyhow::Result;
use hdrhistogram::Histogram;

/// Nanoseconds, three digits, up to ten minutes.
pub(super) fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1_000, 600_000_000_000, 3)?)
}

/// What must not happen, by kind.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Faults {
    /// Values that never came, nor a newer one instead; ordered frames that were left out.
    pub(super) lost: u64,
    /// Came twice.
    pub(super) repeated: u64,
    /// Older than what had come before.
    pub(super) reordered: u64,
    /// Came to somebody who does not follow the sender, or were not what was sent.
    pub(super) misdirected: u64,
    /// Instructions that were refused, or acknowledged without having been sent.
    pub(super) refused: u64,
    /// Connections that the server closed.
    pub(super) disconnected: u64,
}

/// Everything counted since the start.
#[derive(Debug)]
pub(super) struct Tally {
    /// Positions that arrived.
    pub(super) deliveries: u64,
    /// Positions that a newer one stood in for.
    pub(super) conflated: u64,
    /// Ordered frames that arrived.
    pub(super) ordered: u64,
    pub(super) heartbeats: u64,
    pub(super) acks: u64,
    pub(super) sent: u64,
    /// Bytes of the last delivery, without the WebSocket header.
    pub(super) payload: usize,
    pub(super) faults: Faults,
    /// Why the first connection was closed, or the first instruction refused.
    pub(super) first_fault: Option<String>,
    /// From the moment at which something should have been done: one for each group of rooms.
    pub(super) latency: Vec<Histogram<u64>>,
    /// How much later than that the generator did it.
    pub(super) lateness: Histogram<u64>,
    /// Only what was due within these nanoseconds counts for latencies.
    pub(super) window: std::ops::Range<u64>,
}

impl Tally {
    pub(super) fn new(groups: usize) -> Result<Self> {
        Ok(Self {
            deliveries: 0,
            conflated: 0,
            ordered: 0,
            heartbeats: 0,
            acks: 0,
            sent: 0,
            payload: 0,
            faults: Faults::default(),
            first_fault: None,
            latency: (0..groups).map(|_| histogram()).collect::<Result<_>>()?,
            lateness: histogram()?,
            window: 0..u64::MAX,
        })
    }

    /// Begins to measure anew; faults stay.
    pub(super) fn measure(&mut self, window: std::ops::Range<u64>) {
        self.window = window;
        self.latency.iter_mut().for_each(Histogram::reset);
        self.lateness.reset();
    }

    pub(super) fn latency(&mut self, group: usize, due: u64, now: u64) {
        if self.window.contains(&due) {
            self.latency[group].saturating_record(now.saturating_sub(due));
        }
    }

    pub(super) fn late(&mut self, due: u64, now: u64) {
        if self.window.contains(&due) {
            self.lateness.saturating_record(now.saturating_sub(due));
        }
    }

    pub(super) fn fault(&mut self, why: impl FnOnce() -> String) {
        self.first_fault.get_or_insert_with(why);
    }
}

/// What one member has seen of one sender: the number of the newest value of each key.
#[derive(Debug, Default, Clone)]
pub(super) struct Followed(Vec<u64>);

impl Followed {
    pub(super) fn new(keys: usize) -> Self {
        Self(vec![0; keys])
    }

    /// Notes a position; gives how many older ones it stands in for.
    pub(super) fn note(&mut self, position: Position, faults: &mut Faults) -> u64 {
        let Some(newest) = self.0.get_mut(usize::from(position.key)) else {
            faults.misdirected += 1;
            return 0;
        };
        match position.number {
            number if number > *newest => {
                let skipped = number - *newest - 1;
                *newest = number;
                skipped
            }
            number if number == *newest => {
                faults.repeated += 1;
                0
            }
            _ => {
                faults.reordered += 1;
                0
            }
        }
    }

    /// How many values were sent after the newest that came.
    pub(super) fn behind(&self, sent: &[u64]) -> u64 {
        sent.iter().zip(&self.0).map(|(sent, seen)| sent - seen.min(sent)).sum()
    }

    /// From here on only newer ones are missed: whoever joins is not owed what came before.
    pub(super) fn start_at(&mut self, sent: &[u64]) {
        self.0.copy_from_slice(sent);
    }
}

#[cfg(test)]
mod tests {
    use super::{Faults, Followed, Position, Tally};

    fn position(key: u8, number: u64) -> Position {
        Position { room: 0, key, due: 0, number }
    }

    #[test]
    fn a_newer_value_stands_in_for_older_ones_and_keys_are_apart() {
        let (mut followed, mut faults) = (Followed::new(2), Faults::default());
        assert_eq!(followed.note(position(0, 1), &mut faults), 0);
        assert_eq!(followed.note(position(0, 4), &mut faults), 2);
        assert_eq!(followed.note(position(1, 1), &mut faults), 0);
        assert_eq!(faults, Faults::default());
        assert_eq!(followed.behind(&[6, 1]), 2);
    }

    #[test]
    fn repeats_and_older_values_are_faults() {
        let (mut followed, mut faults) = (Followed::new(1), Faults::default());
        for number in [2, 2, 1] {
            followed.note(position(0, number), &mut faults);
        }
        followed.note(position(7, 1), &mut faults);
        assert_eq!((faults.repeated, faults.reordered, faults.misdirected), (1, 1, 1));
        followed.start_at(&[9]);
        assert_eq!(followed.behind(&[9]), 0);
    }

    #[test]
    fn latency_counts_from_the_moment_it_was_due_and_within_the_window_alone() {
        let mut tally = Tally::new(1).expect("a tally");
        tally.measure(1_000_000..2_000_000);
        // A generator that was 4 ms late does not hide them.
        tally.latency(0, 1_000_000, 5_000_000);
        tally.latency(0, 999_999, 5_000_000);
        tally.latency(0, 2_000_000, 5_000_000);
        assert_eq!(tally.latency[0].len(), 1);
        assert!(tally.latency[0].max().abs_diff(4_000_000) < 5_000);
    }
}
