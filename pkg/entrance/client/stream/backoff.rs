//! Delays between tries: 0.2 s doubling to 5 s, of which full jitter takes a random part.

use std::sync::Arc;
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const MOST: Duration = Duration::from_secs(5);

/// Draws a delay in `0..=bound`.
pub type Jitter = Arc<dyn Fn(Duration) -> Duration + Send + Sync>;

/// Uniform over the whole range, so that clients that lost the same server do not reconnect
/// together.
pub(crate) fn full_jitter() -> Jitter {
    Arc::new(|bound| bound.mul_f64(rand::random::<f64>()))
}

pub(crate) struct Backoff {
    jitter: Jitter,
    tries: u32,
}

impl Backoff {
    pub(crate) fn new(jitter: Jitter) -> Self {
        Self { jitter, tries: 0 }
    }

    /// The next delay; at least `at_least`, which the server asked for.
    pub(crate) fn next(&mut self, at_least: Option<Duration>) -> Duration {
        let bound = FIRST.saturating_mul(1 << self.tries.min(16)).min(MOST);
        self.tries += 1;
        let drawn = (self.jitter)(bound);
        at_least.map_or(drawn, |least| least.saturating_add(drawn))
    }

    pub(crate) fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, full_jitter};
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn the_bound_doubles_from_200_ms_to_5_s_and_starts_over_after_a_reset() {
        let mut backoff = Backoff::new(Arc::new(|bound| bound));
        let bounds: Vec<u128> = (0..7).map(|_| backoff.next(None).as_millis()).collect();
        assert_eq!(bounds, [200, 400, 800, 1600, 3200, 5000, 5000]);
        backoff.reset();
        assert_eq!(backoff.next(None).as_millis(), 200);
    }

    #[test]
    fn the_delay_that_the_server_asked_for_is_added_to_the_jitter() {
        let mut backoff = Backoff::new(Arc::new(|bound| bound));
        assert_eq!(backoff.next(Some(Duration::from_secs(3))).as_millis(), 3200);
    }

    #[test]
    fn full_jitter_stays_within_its_bound() {
        let jitter = full_jitter();
        let bound = Duration::from_secs(5);
        assert!((0..1000).all(|_| jitter(bound) <= bound));
        assert!(
            (0..1000)
                .map(|_| jitter(bound))
                .any(|delay| delay < bound / 4)
        );
    }
}
