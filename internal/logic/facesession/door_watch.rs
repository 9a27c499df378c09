//! Watches how much is being guessed, tells operators, and lets go of addresses whose time is over.

use crate::instruction::mgr::pointaddresses::PointAddresses;
use faceshare_biz::domain::facesession::{GuessBudgets, Pressure};
use faceshare_biz::domain::port::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// What a [`DoorWatch`] works with.
#[derive(Clone)]
pub struct DoorWatch {
    /// How much is being guessed.
    pub budgets: Arc<dyn GuessBudgets>,
    /// From where people come.
    pub addresses: Arc<PointAddresses>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl DoorWatch {
    /// Looks every second, until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut interval = tokio::time::interval(INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut forced = false;
        while shutdown.run_until_cancelled(interval.tick()).await.is_some() {
            self.addresses.forget_old(self.clock.now());
            match self.budgets.pressure(self.clock.now()).await {
                Ok(pressure) => {
                    show(&pressure);
                    if forced != pressure.spent.is_some() {
                        forced = pressure.spent.is_some();
                        announce(&pressure);
                    }
                }
                Err(error) => tracing::warn!(%error, cause = ?error.cause(), "it is not known how much is being guessed"),
            }
        }
    }
}

fn show(pressure: &Pressure) {
    metrics::gauge!("guesses_expected_hits", "window" => "short").set(pressure.short.as_f64());
    metrics::gauge!("guesses_expected_hits", "window" => "day").set(pressure.long.as_f64());
    metrics::gauge!("admission_forced").set(if pressure.spent.is_some() { 1.0 } else { 0.0 });
}

fn announce(pressure: &Pressure) {
    let (short, day) = (pressure.short.as_f64(), pressure.long.as_f64());
    match pressure.spent {
        Some(wait) => tracing::warn!(
            expected_hits_short = short,
            expected_hits_day = day,
            for_at_least = wait.as_secs(),
            "number codes are being guessed: newcomers without an older account need the host's approval, new codes are longer"
        ),
        None => tracing::info!(expected_hits_short = short, expected_hits_day = day, "the guessing has ceased: codes admit again"),
    }
}
