//! Repeats transactions that failed because of another one at the same time.

use crate::error::Failure;
use faceshare_biz::Result;
use std::future::Future;
use std::time::Duration;

/// The longest pause before each repetition. The pause is random up to this, so that two
/// transactions that collided do not collide again.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(10),
    Duration::from_millis(40),
    Duration::from_millis(160),
];

/// Runs a whole transaction, or one statement, again when it failed because of another one at the
/// same time: 3 times at most.
pub(crate) async fn retrying<T, F>(mut attempt: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T, Failure>>,
{
    for longest in PAUSES {
        match attempt().await {
            Err(failure) if failure.is_conflict() => {
                tokio::time::sleep(longest.mul_f64(rand::random())).await
            }
            outcome => return outcome.map_err(Into::into),
        }
    }
    attempt().await.map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::retrying;
    use crate::error::Failure;
    use faceshare_biz::{Error, ErrorCode, Result};
    use std::cell::Cell;

    async fn attempts(succeeds_at: u32, failure: impl Fn() -> Failure) -> (u32, Result<()>) {
        let made = Cell::new(0);
        let outcome = retrying(|| async {
            made.set(made.get() + 1);
            if made.get() == succeeds_at {
                Ok(())
            } else {
                Err(failure())
            }
        });
        let outcome = outcome.await;
        (made.get(), outcome)
    }

    #[tokio::test(start_paused = true)]
    async fn a_conflict_is_repeated_three_times_and_anything_else_never() {
        let conflict = || Failure::Conflict(Error::unavailable("met another"));
        assert!(matches!(attempts(4, conflict).await, (4, Ok(()))));
        let (made, outcome) = attempts(9, conflict).await;
        assert_eq!(
            (made, outcome.expect_err("gives up").code),
            (4, ErrorCode::Unavailable)
        );
        let (made, outcome) = attempts(9, || Failure::Refused(Error::not_found())).await;
        assert_eq!(
            (made, outcome.expect_err("refused").code),
            (1, ErrorCode::NotFound)
        );
    }
}
