//! Measures how much is being guessed, reports it to operators and sessions, and drops expired
//! addresses.

use crate::instruction::Sessions;
use crate::instruction::mgr::pointaddresses::PointAddresses;
use faceshare_biz::domain::facesession::{GuessBudgets, GuessPressure};
use faceshare_biz::domain::port::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often [`AdmissionWatch::tick`] is due.
pub const ADMISSION_WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Turns forced approval in all sessions on and off, as the budget of the whole installation is
/// used up and recovers.
pub struct AdmissionWatch {
    budgets: Arc<dyn GuessBudgets>,
    addresses: Arc<PointAddresses>,
    sessions: Sessions,
    clock: Arc<dyn Clock>,
    /// The last value that was sent to the sessions.
    forced: AtomicBool,
}

impl AdmissionWatch {
    /// Reads `budgets`, informs `sessions`, and drops expired entries of `addresses`.
    #[must_use]
    pub fn new(
        budgets: Arc<dyn GuessBudgets>,
        addresses: Arc<PointAddresses>,
        sessions: Sessions,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            budgets,
            addresses,
            sessions,
            clock,
            forced: AtomicBool::new(false),
        }
    }

    /// Reads the guessing pressure once and informs the sessions of a change. If a tick is
    /// cancelled, the next one informs the sessions again.
    pub async fn tick(&self) {
        self.addresses.forget_old(self.clock.now());
        let pressure = match self.budgets.pressure(self.clock.now()).await {
            Ok(pressure) => pressure,
            Err(error) => {
                tracing::warn!(%error, cause = ?error.cause(), "the guessing pressure could not be read; forced approval stays as it is");
                return;
            }
        };
        record_gauges(&pressure);
        let forced = pressure.spent.is_some();
        if self.forced.load(Ordering::Relaxed) != forced {
            log_change(&pressure);
            self.sessions.force_admission(forced).await;
            self.forced.store(forced, Ordering::Relaxed);
        }
    }
}

fn record_gauges(pressure: &GuessPressure) {
    metrics::gauge!("guesses_expected_hits", "window" => "short").set(pressure.short.as_f64());
    metrics::gauge!("guesses_expected_hits", "window" => "day").set(pressure.long.as_f64());
    metrics::gauge!("admission_forced").set(if pressure.spent.is_some() { 1.0 } else { 0.0 });
}

fn log_change(pressure: &GuessPressure) {
    let (short, day) = (pressure.short.as_f64(), pressure.long.as_f64());
    match pressure.spent {
        Some(wait) => tracing::warn!(
            expected_hits_short = short,
            expected_hits_day = day,
            for_at_least = wait.as_secs(),
            "number codes are being guessed: newcomers without an older account need the host's approval, new codes are longer"
        ),
        None => tracing::info!(
            expected_hits_short = short,
            expected_hits_day = day,
            "the guessing of number codes has stopped: approval is no longer forced"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::AdmissionWatch;
    use crate::facesession::fakes::TestApp;
    use faceshare_biz::domain::SessionId;
    use faceshare_biz::domain::account::Caller;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    async fn is_forced(app: &TestApp, host: Caller, id: SessionId) -> bool {
        app.cases
            .get(host, id)
            .await
            .expect("seen")
            .admission_forced
    }

    /// One tick; the sleep, in paused time, lets the sessions process it.
    async fn tick(watch: &AdmissionWatch) {
        watch.tick().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_show_forced_approval_while_it_lasts() {
        let app = TestApp::new();
        let host = app.person(1).await;
        let id = app.open(host).await.session.id;
        let watch = AdmissionWatch::new(
            app.budgets.clone(),
            app.addresses.clone(),
            app.sessions.clone(),
            app.clock.clone(),
        );
        tick(&watch).await;
        assert!(!is_forced(&app, host, id).await);
        app.budgets.under_attack.store(true, Ordering::SeqCst);
        tick(&watch).await;
        assert!(is_forced(&app, host, id).await);
        let later = app.open(host).await.session;
        assert!(
            later.admission_forced && is_forced(&app, host, later.id).await,
            "a new session too"
        );
        app.budgets.under_attack.store(false, Ordering::SeqCst);
        tick(&watch).await;
        assert!(!is_forced(&app, host, id).await && !is_forced(&app, host, later.id).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_is_loaded_checks_whether_approval_is_forced() {
        let app = TestApp::new();
        let host = app.person(1).await;
        let id = app.open(host).await.session.id;
        app.sessions.force_admission(true).await;
        assert!(is_forced(&app, host, id).await);
        app.sessions.unload_all().await;
        assert!(
            is_forced(&app, host, id).await,
            "a loaded session keeps the value of its log"
        );
        app.sessions.unload_all().await;
        app.sessions.force_admission(false).await;
        assert!(
            !is_forced(&app, host, id).await,
            "the log says that approval is forced, the watch that it is not"
        );
    }
}
