//! The breaker: calls fail at once while a service is known to be unwell.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug)]
pub(crate) struct Breaker {
    state: Mutex<State>,
    failures: u32,
    open_for: Duration,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Calls go through; this many failed in a row.
    Closed(u32),
    /// Calls fail at once until then.
    Open(Instant),
    /// One call goes through and decides; all others fail at once.
    Probing,
}

/// The right to make one call. Dropped without an outcome, the call counts neither way.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

impl Breaker {
    pub(crate) const fn new(failures: u32, open_for: Duration) -> Self {
        Self {
            state: Mutex::new(State::Closed(0)),
            failures,
            open_for,
        }
    }

    /// A permit, or how long calls go on failing.
    pub(crate) fn admit(&self) -> Result<Permit<'_>, Duration> {
        let mut state = self.lock();
        let probe = match *state {
            State::Closed(_) => false,
            State::Open(until) if until <= Instant::now() => true,
            State::Open(until) => return Err(until - Instant::now()),
            State::Probing => return Err(Duration::ZERO),
        };
        if probe {
            *state = State::Probing;
        }
        Ok(Permit {
            breaker: self,
            probe,
        })
    }

    /// Counts a failure of a call that had succeeded at first: its body broke off.
    pub(crate) fn count_failure(&self) {
        let mut state = self.lock();
        if let State::Closed(failed) = *state {
            *state = self.after_failures(failed.saturating_add(1));
        }
    }

    fn after_failures(&self, failed: u32) -> State {
        if failed >= self.failures {
            State::Open(Instant::now() + self.open_for)
        } else {
            State::Closed(failed)
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    pub(crate) fn succeeded(mut self) {
        let mut state = self.breaker.lock();
        if self.probe || matches!(*state, State::Closed(_)) {
            *state = State::Closed(0);
        }
        self.probe = false;
    }

    pub(crate) fn failed(mut self) {
        if self.probe {
            *self.breaker.lock() = State::Open(Instant::now() + self.breaker.open_for);
        } else {
            self.breaker.count_failure();
        }
        self.probe = false;
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.probe {
            *self.breaker.lock() = State::Open(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Breaker;
    use std::time::Duration;

    const OPEN_FOR: Duration = Duration::from_secs(10);

    fn fail(breaker: &Breaker) {
        breaker.admit().expect("a permit").failed();
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let breaker = Breaker::new(2, OPEN_FOR);
        fail(&breaker);
        breaker.admit().expect("a permit").succeeded();
        fail(&breaker);
        breaker.admit().expect("one failure is not two").failed();
        assert_eq!(breaker.admit().expect_err("open"), OPEN_FOR);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_while_one_call_goes_through_and_decides() {
        let breaker = Breaker::new(1, OPEN_FOR);
        fail(&breaker);
        tokio::time::advance(OPEN_FOR).await;
        let probe = breaker.admit().expect("the probe");
        breaker.admit().expect_err("one probe at a time");
        probe.failed();
        assert_eq!(breaker.admit().expect_err("open again"), OPEN_FOR);

        tokio::time::advance(OPEN_FOR).await;
        breaker.admit().expect("the second probe").succeeded();
        breaker.admit().expect("closed").succeeded();
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_given_up_lets_the_next_call_probe() {
        let breaker = Breaker::new(1, OPEN_FOR);
        fail(&breaker);
        tokio::time::advance(OPEN_FOR).await;
        drop(breaker.admit().expect("the probe"));
        breaker.admit().expect("the next probe").succeeded();
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_began_before_it_opened_do_not_close_it() {
        let breaker = Breaker::new(1, OPEN_FOR);
        let slow = breaker.admit().expect("a permit");
        fail(&breaker);
        slow.succeeded();
        breaker.admit().expect_err("still open");
    }
}
