//! How much a connection may ask for.

use std::time::Duration;
use tokio::time::Instant;

/// A token bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_second: f64,
    burst: f64,
    tokens: f64,
    filled_at: Instant,
}

impl Bucket {
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let burst = f64::from(burst);
        Self { per_second: f64::from(per_second), burst, tokens: burst, filled_at: Instant::now() }
    }

    /// Takes one token, if there is one.
    pub(crate) fn take(&mut self) -> bool {
        let now = Instant::now();
        let filled = self.tokens + now.duration_since(self.filled_at).as_secs_f64() * self.per_second;
        self.tokens = filled.min(self.burst);
        self.filled_at = now;
        let there = self.tokens >= 1.0;
        if there {
            self.tokens -= 1.0;
        }
        there
    }
}

/// Counts within consecutive spans of time.
#[derive(Debug)]
pub(crate) struct Tally {
    span: Duration,
    max: u32,
    count: u32,
    began: Instant,
}

impl Tally {
    pub(crate) fn new(max: u32, span: Duration) -> Self {
        Self { span, max, count: 0, began: Instant::now() }
    }

    /// Counts one; `false` once there are more than allowed in the present span.
    pub(crate) fn count(&mut self) -> bool {
        let now = Instant::now();
        if now.duration_since(self.began) >= self.span {
            (self.began, self.count) = (now, 0);
        }
        self.count += 1;
        self.count <= self.max
    }
}

#[cfg(test)]
mod tests {
    use super::{Bucket, Tally};
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_allows_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::new(10, 5);
        assert_eq!((0..8).filter(|_| bucket.take()).count(), 5);
        tokio::time::advance(Duration::from_millis(250)).await;
        assert_eq!((0..8).filter(|_| bucket.take()).count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_tally_starts_anew_with_each_span() {
        let mut tally = Tally::new(2, Duration::from_secs(1));
        assert_eq!([tally.count(), tally.count(), tally.count()], [true, true, false]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(tally.count());
    }
}
