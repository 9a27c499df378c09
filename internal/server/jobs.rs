//! Background work of the process, under one supervisor.
//!
//! Every job has a name. A job that panics, or ends too early, is logged, counted
//! (`jobs_failed_total`), listed by `GET /readyz`, and restarted after a pause that grows with each
//! failure in a row. An essential job is not restarted: its failure drains the process, which then
//! exits with a failure ([`Jobs::lost`]).
//!
//! [`Jobs::every`] is for periodic work, [`Jobs::run`] for a loop that waits for events, and
//! [`Jobs::run_essential`] for work that the process cannot go on without.

use crate::lifecycle::Lifecycle;
use faceshare_routes::JobStatus;
use futures_util::FutureExt as _;
use std::any::Any;
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The pause after a first failure; it doubles with each further failure in a row, up to
/// [`BACKOFF_MAX`].
const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// The longest pause before a job is started again.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// A loop that has run for this long since its last failure counts as working again.
const WELL_AFTER: Duration = Duration::from_secs(60);

/// The supervisor. Cheap to clone; all clones share one state.
#[derive(Debug, Clone)]
pub struct Jobs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    lifecycle: Lifecycle,
    tasks: TaskTracker,
    /// By job, how often it has failed in a row; a job that works has no entry.
    failing: Mutex<BTreeMap<&'static str, u32>>,
    /// The first essential job that failed.
    lost: OnceLock<&'static str>,
}

impl Jobs {
    /// `lifecycle` is drained when an essential job fails.
    #[must_use]
    pub fn new(lifecycle: Lifecycle) -> Self {
        Self(Arc::new(Shared {
            lifecycle,
            tasks: TaskTracker::new(),
            failing: Mutex::default(),
            lost: OnceLock::new(),
        }))
    }

    /// Calls `tick` at once and then every `interval` until `until` is cancelled, which may also
    /// cancel a running tick. A tick that takes longer than the interval delays the next one.
    pub fn every<T: Future<Output = ()> + Send>(
        &self,
        name: &'static str,
        interval: Duration,
        until: CancellationToken,
        mut tick: impl FnMut() -> T + Send + 'static,
    ) {
        let jobs = self.clone();
        self.spawn(name, until, async move {
            let mut ticks = tokio::time::interval(interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                match caught(async { tick().await }).await {
                    Ok(()) => jobs.is_well(name),
                    Err(panic) => {
                        let backoff = jobs.failed(name, &panic);
                        ticks.reset_after(backoff);
                    }
                }
            }
        });
    }

    /// Runs the future that `begin` creates until `until` is cancelled. When it panics or ends
    /// before that, `begin` is called again.
    pub fn run<T: Future<Output = ()> + Send>(
        &self,
        name: &'static str,
        until: CancellationToken,
        mut begin: impl FnMut() -> T + Send + 'static,
    ) {
        let jobs = self.clone();
        self.spawn(name, until, async move {
            loop {
                let well = async {
                    tokio::time::sleep(WELL_AFTER).await;
                    jobs.is_well(name);
                    std::future::pending::<()>().await;
                };
                let ended = tokio::select! {
                    biased;
                    ended = caught(async { begin().await }) => ended,
                    () = well => Ok(()),
                };
                let backoff = jobs.failed(name, &ended.err().unwrap_or_else(early_end));
                tokio::time::sleep(backoff).await;
            }
        });
    }

    /// Runs `work`, which the process cannot go on without. It ends by itself once `until` is
    /// cancelled; when it panics or ends before that, the process drains and [`Jobs::lost`] names
    /// it.
    pub fn run_essential(
        &self,
        name: &'static str,
        until: CancellationToken,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        count(name, 0);
        let shared = self.0.clone();
        self.0.tasks.spawn(async move {
            let ended = caught(work).await;
            if ended.is_ok() && until.is_cancelled() {
                return;
            }
            let why = ended.err().unwrap_or_else(early_end);
            tracing::error!(
                job = name,
                why,
                "a background job failed that the server cannot do without; the server stops"
            );
            count(name, 1);
            let _ = shared.lost.set(name);
            // A second `stop` would end the drain at once.
            if !shared.lifecycle.draining.is_cancelled() {
                shared.lifecycle.stop();
            }
        })
    }

    /// The essential job whose failure ended the process; `None` when no essential job failed.
    #[must_use]
    pub fn lost(&self) -> Option<&'static str> {
        self.0.lost.get().copied()
    }

    /// Waits until every job has ended. Jobs whose `until` is not cancelled never end.
    pub async fn ended(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    fn spawn(
        &self,
        name: &'static str,
        until: CancellationToken,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        count(name, 0);
        self.0.tasks.spawn(async move {
            let _ = until.run_until_cancelled(work).await;
        });
    }

    /// Records a failure and returns the pause before the restart.
    fn failed(&self, name: &'static str, why: &str) -> Duration {
        let failures = {
            let mut failing = self.failures();
            let failures = failing.entry(name).or_default();
            *failures = failures.saturating_add(1);
            *failures
        };
        let backoff = BACKOFF_MIN
            .saturating_mul(1 << (failures - 1).min(16))
            .min(BACKOFF_MAX);
        tracing::error!(job = name, why, failures, retry_in = ?backoff, "a background job failed; it starts again");
        count(name, 1);
        backoff
    }

    fn is_well(&self, name: &'static str) {
        if let Some(failures) = self.failures().remove(name) {
            tracing::info!(job = name, failures, "a background job works again");
        }
    }

    fn failures(&self) -> MutexGuard<'_, BTreeMap<&'static str, u32>> {
        self.0
            .failing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl JobStatus for Jobs {
    fn failing(&self) -> Option<String> {
        if let Some(name) = self.lost() {
            return Some(format!(
                "the server stops because the background job {name:?} failed"
            ));
        }
        let failing: Vec<_> = self
            .failures()
            .iter()
            .map(|(name, failures)| format!("{name} ({failures})"))
            .collect();
        (!failing.is_empty()).then(|| {
            format!(
                "background jobs that fail, with their failures in a row: {}",
                failing.join(", ")
            )
        })
    }
}

/// Runs `work` and returns the message of its panic.
async fn caught(work: impl Future<Output = ()>) -> Result<(), String> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    text.map_or_else(
        || "it panicked".to_owned(),
        |text| format!("it panicked: {text}"),
    )
}

fn early_end() -> String {
    "it ended early".to_owned()
}

fn count(name: &'static str, failures: u64) {
    metrics::counter!("jobs_failed_total", "job" => name).increment(failures);
}

#[cfg(test)]
mod tests {
    use super::{BACKOFF_MAX, Jobs, WELL_AFTER};
    use crate::Lifecycle;
    use faceshare_routes::JobStatus as _;
    use std::future::pending;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;
    use tokio::sync::Notify;
    use tokio::time::{Instant, sleep, timeout};
    use tokio_util::sync::CancellationToken;

    const INTERVAL: Duration = Duration::from_secs(10);
    const LONG: Duration = Duration::from_secs(3_600);

    fn counter() -> (Arc<AtomicU32>, Arc<AtomicU32>) {
        let count = Arc::new(AtomicU32::new(0));
        (count.clone(), count)
    }

    #[tokio::test(start_paused = true)]
    async fn a_tick_that_panics_is_listed_and_comes_back_after_growing_pauses() {
        let (jobs, until) = (Jobs::new(Lifecycle::new()), CancellationToken::new());
        let (count, counted) = counter();
        jobs.every("sweep", INTERVAL, until.clone(), move || {
            let call = count.fetch_add(1, Ordering::SeqCst);
            async move { assert!(call >= 3, "broken") }
        });
        sleep(Duration::from_millis(500)).await;
        assert!(jobs.failing().expect("listed").contains("sweep (1)"));
        // The pauses are 1, 2 and 4 seconds.
        for (pause, failures) in [(1, "sweep (2)"), (2, "sweep (3)")] {
            sleep(Duration::from_secs(pause)).await;
            assert!(jobs.failing().expect("listed").contains(failures));
        }
        sleep(Duration::from_secs(4)).await;
        assert_eq!(
            (jobs.failing(), counted.load(Ordering::SeqCst)),
            (None, 4),
            "the fourth tick went well"
        );
        sleep(INTERVAL * 2).await;
        assert_eq!(
            counted.load(Ordering::SeqCst),
            6,
            "and the interval is as before"
        );
        until.cancel();
        jobs.ended().await;
        assert_eq!(jobs.lost(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_tick_that_always_panics_is_tried_now_and_then() {
        let (jobs, until) = (Jobs::new(Lifecycle::new()), CancellationToken::new());
        let (count, counted) = counter();
        jobs.every(
            "sweep",
            Duration::from_millis(1),
            until.clone(),
            move || {
                count.fetch_add(1, Ordering::SeqCst);
                async { panic!("broken") }
            },
        );
        sleep(LONG).await;
        let expected = u32::try_from(LONG.as_secs() / BACKOFF_MAX.as_secs()).expect("few");
        assert!((expected..expected + 10).contains(&counted.load(Ordering::SeqCst)));
        until.cancel();
        jobs.ended().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_panics_or_ends_early_is_begun_again_and_is_well_once_it_lasts() {
        let (jobs, until) = (Jobs::new(Lifecycle::new()), CancellationToken::new());
        let (count, counted) = counter();
        jobs.run("follow", until.clone(), move || {
            let begun = count.fetch_add(1, Ordering::SeqCst);
            async move {
                match begun {
                    0 => panic!("broken"),
                    1 => {}
                    _ => pending().await,
                }
            }
        });
        sleep(Duration::from_secs(10)).await;
        assert_eq!(counted.load(Ordering::SeqCst), 3);
        assert!(jobs.failing().expect("still listed").contains("follow (2)"));
        sleep(WELL_AFTER).await;
        assert_eq!(jobs.failing(), None);
        until.cancel();
        jobs.ended().await;
        assert_eq!((counted.load(Ordering::SeqCst), jobs.lost()), (3, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_is_cancelled_in_the_middle_of_its_work() {
        let (jobs, until) = (Jobs::new(Lifecycle::new()), CancellationToken::new());
        jobs.every("sweep", INTERVAL, until.clone(), pending);
        jobs.run("follow", until.clone(), pending);
        sleep(INTERVAL).await;
        until.cancel();
        timeout(INTERVAL, jobs.ended()).await.expect("both end");
    }

    #[tokio::test(start_paused = true)]
    async fn the_loss_of_an_essential_job_drains_and_is_named() {
        let panics = || async { panic!("broken") };
        let ends = || async {};
        for (index, lifecycle) in [Lifecycle::new(), Lifecycle::new()].into_iter().enumerate() {
            let jobs = Jobs::new(lifecycle.clone());
            let handle = match index {
                0 => jobs.run_essential("listener", lifecycle.soft.clone(), panics()),
                _ => jobs.run_essential("listener", lifecycle.soft.clone(), ends()),
            };
            handle.await.expect("the panic was caught");
            assert_eq!(jobs.lost(), Some("listener"));
            assert!(jobs.failing().expect("listed").contains("listener"));
            assert!(
                lifecycle.draining.is_cancelled() && !lifecycle.soft.is_cancelled(),
                "it drains, and is not cut short"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_essential_job_that_ends_after_its_cancellation_is_not_lost() {
        let (lifecycle, began) = (Lifecycle::new(), Instant::now());
        let jobs = Jobs::new(lifecycle.clone());
        let (told, until) = (Arc::new(Notify::new()), lifecycle.soft.clone());
        let tell = told.clone();
        jobs.run_essential("listener", until.clone(), async move {
            until.cancelled().await;
            tell.notify_one();
        });
        lifecycle.stop();
        lifecycle.soft.cancel();
        told.notified().await;
        jobs.ended().await;
        assert_eq!((jobs.lost(), began.elapsed()), (None, Duration::ZERO));
    }
}
