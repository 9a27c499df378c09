//! Rate limits of a connection.

use std::time::Duration;
use tokio::time::Instant;

/// A token bucket. The caller passes the limits at each use, so that the many buckets need not
/// store them.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    tokens: f64,
    filled_at: Instant,
}

impl TokenBucket {
    pub(crate) fn full(burst: u32) -> Self {
        Self {
            tokens: f64::from(burst),
            filled_at: Instant::now(),
        }
    }

    /// Takes one token; `false` if there is none.
    pub(crate) fn take(&mut self, per_second: u32, burst: u32) -> bool {
        let now = Instant::now();
        let filled =
            self.tokens + now.duration_since(self.filled_at).as_secs_f64() * f64::from(per_second);
        self.tokens = filled.min(f64::from(burst));
        self.filled_at = now;
        let allowed = self.tokens >= 1.0;
        if allowed {
            self.tokens -= 1.0;
        }
        allowed
    }
}

/// Counts within fixed windows of time. The caller passes the limits at each use, as with
/// [`TokenBucket`].
#[derive(Debug)]
pub(crate) struct WindowCounter {
    began: Instant,
    count: u32,
}

impl WindowCounter {
    pub(crate) fn new() -> Self {
        Self {
            count: 0,
            began: Instant::now(),
        }
    }

    /// Counts one; `false` if there are more than `max` in the present window.
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
    use super::{TokenBucket, WindowCounter};
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_allows_its_burst_and_then_its_rate() {
        let mut bucket = TokenBucket::full(5);
        assert_eq!((0..8).filter(|_| bucket.take(10, 5)).count(), 5);
        tokio::time::advance(Duration::from_millis(250)).await;
        assert_eq!((0..8).filter(|_| bucket.take(10, 5)).count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_counter_starts_again_with_each_window() {
        let mut counter = WindowCounter::new();
        let mut count = || counter.count(2, Duration::from_secs(1));
        assert_eq!([count(), count(), count()], [true, true, false]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(count());
    }
}
