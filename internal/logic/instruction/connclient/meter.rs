//! How much a connection may ask for.

use std::time::Duration;
use tokio::time::Instant;

/// A token bucket. What it allows is said with each use, so that it need not be kept in each of many.
#[derive(Debug)]
pub(crate) struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

impl Bucket {
    pub(crate) fn full(burst: u32) -> Self {
        Self {
            tokens: f64::from(burst),
            filled_at: Instant::now(),
        }
    }

    /// Takes one token, if there is one.
    pub(crate) fn take(&mut self, per_second: u32, burst: u32) -> bool {
        let now = Instant::now();
        let filled =
            self.tokens + now.duration_since(self.filled_at).as_secs_f64() * f64::from(per_second);
        self.tokens = filled.min(f64::from(burst));
        self.filled_at = now;
        let there = self.tokens >= 1.0;
        if there {
            self.tokens -= 1.0;
        }
        there
    }
}

/// Counts within consecutive spans of time. What it allows is said with each use here, too.
#[derive(Debug)]
pub(crate) struct Tally {
    began: Instant,
    count: u32,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            count: 0,
            began: Instant::now(),
        }
    }

    /// Counts one; `false` once there are more than `max` in the present span.
    pub(crate) fn count(&mut self, max: u32, span: Duration) -> bool {
        let now = Instant::now();
        if now.duration_since(self.began) >= span {
            (self.began, self.count) = (now, 0);
        }
        self.count = self.count.saturating_add(1);
        self.count <= max
    }
}

#[cfg(test)]
mod tests {
    use super::{Bucket, Tally};
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_allows_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::full(5);
        assert_eq!((0..8).filter(|_| bucket.take(10, 5)).count(), 5);
        tokio::time::advance(Duration::from_millis(250)).await;
        assert_eq!((0..8).filter(|_| bucket.take(10, 5)).count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_tally_starts_anew_with_each_span() {
        let mut tally = Tally::new();
        let mut count = || tally.count(2, Duration::from_secs(1));
        assert_eq!([count(), count(), count()], [true, true, false]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(count());
    }
}
