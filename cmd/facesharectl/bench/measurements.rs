//! Counters, latencies, and faults.

use super::wire::Position;
use anyhow::Result;
use hdrhistogram::Histogram;

/// Records nanoseconds with three digits, up to ten minutes.
pub(super) fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1_000, 600_000_000_000, 3)?)
}

/// The number of faults by kind.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Faults {
    /// Values that did not arrive, nor a newer one instead; missing ordered frames.
    pub(super) lost: u64,
    /// Frames that came twice.
    pub(super) repeated: u64,
    /// Frames older than one that had come before.
    pub(super) reordered: u64,
    /// Frames for a member that does not follow the sender, or with other content than was sent.
    pub(super) misdirected: u64,
    /// Refused instructions.
    pub(super) refused: u64,
    /// Connections that the server closed.
    pub(super) disconnected: u64,
}

/// Everything counted since the start.
#[derive(Debug)]
pub(super) struct Measurements {
    /// Positions that arrived.
    pub(super) deliveries: u64,
    /// Positions that a newer one replaced.
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
    /// Latency since the scheduled time, one histogram for each group of rooms.
    pub(super) latency: Vec<Histogram<u64>>,
    /// How late the generator acted, compared with its schedule.
    pub(super) lateness: Histogram<u64>,
    /// Only actions that were due within this range of nanoseconds count for latencies.
    pub(super) window: std::ops::Range<u64>,
}

impl Measurements {
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

    /// Starts a new measurement; the faults stay.
    pub(super) fn measure(&mut self, window: std::ops::Range<u64>) {
        self.window = window;
        self.latency.iter_mut().for_each(Histogram::reset);
        self.lateness.reset();
    }

    pub(super) fn record_latency(&mut self, group: usize, due: u64, now: u64) {
        if self.window.contains(&due) {
            self.latency[group].saturating_record(now.saturating_sub(due));
        }
    }

    pub(super) fn record_lateness(&mut self, due: u64, now: u64) {
        if self.window.contains(&due) {
            self.lateness.saturating_record(now.saturating_sub(due));
        }
    }

    pub(super) fn record_fault(&mut self, why: impl FnOnce() -> String) {
        self.first_fault.get_or_insert_with(why);
    }
}

/// The positions that one member has received of one sender: the number of the newest value of each
/// key.
#[derive(Debug, Default, Clone)]
pub(super) struct ReceivedPositions(Vec<u64>);

impl ReceivedPositions {
    pub(super) fn new(keys: usize) -> Self {
        Self(vec![0; keys])
    }

    /// Records a position; returns how many older ones it replaces.
    pub(super) fn record(&mut self, position: Position, faults: &mut Faults) -> u64 {
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

    /// How many values were sent after the newest that arrived.
    pub(super) fn behind(&self, sent: &[u64]) -> u64 {
        sent.iter()
            .zip(&self.0)
            .map(|(sent, newest)| sent - newest.min(sent))
            .sum()
    }

    /// Counts only values after these as missing, because a new member does not receive older ones.
    pub(super) fn start_at(&mut self, sent: &[u64]) {
        self.0.copy_from_slice(sent);
    }
}

#[cfg(test)]
mod tests {
    use super::{Faults, Measurements, Position, ReceivedPositions};

    fn position(key: u8, number: u64) -> Position {
        Position {
            room: 0,
            key,
            due: 0,
            number,
        }
    }

    #[test]
    fn a_newer_value_replaces_older_ones_of_its_key() {
        let (mut received, mut faults) = (ReceivedPositions::new(2), Faults::default());
        assert_eq!(received.record(position(0, 1), &mut faults), 0);
        assert_eq!(received.record(position(0, 4), &mut faults), 2);
        assert_eq!(received.record(position(1, 1), &mut faults), 0);
        assert_eq!(faults, Faults::default());
        assert_eq!(received.behind(&[6, 1]), 2);
    }

    #[test]
    fn repeats_and_older_values_are_faults() {
        let (mut received, mut faults) = (ReceivedPositions::new(1), Faults::default());
        for number in [2, 2, 1] {
            received.record(position(0, number), &mut faults);
        }
        received.record(position(7, 1), &mut faults);
        assert_eq!(
            (faults.repeated, faults.reordered, faults.misdirected),
            (1, 1, 1)
        );
        received.start_at(&[9]);
        assert_eq!(received.behind(&[9]), 0);
    }

    #[test]
    fn latency_counts_from_the_scheduled_time_and_only_within_the_window() {
        let mut measurements = Measurements::new(1).expect("measurements");
        measurements.measure(1_000_000..2_000_000);
        // A generator that was 4 ms late does not hide the latency.
        measurements.record_latency(0, 1_000_000, 5_000_000);
        measurements.record_latency(0, 999_999, 5_000_000);
        measurements.record_latency(0, 2_000_000, 5_000_000);
        assert_eq!(measurements.latency[0].len(), 1);
        assert!(measurements.latency[0].max().abs_diff(4_000_000) < 5_000);
    }
}
