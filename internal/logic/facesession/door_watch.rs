//! Watches how much is being guessed, tells operators, and lets go of addresses whose time is over.

use crate::instruction::Sessions;
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
    /// Told when approval is forced, and when it is no more.
    pub sessions: Sessions,
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
                        self.sessions.force_admission(forced).await;
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

#[cfg(test)]
mod tests {
    use super::{DoorWatch, INTERVAL};
    use crate::facesession::fakes::House;
    use faceshare_biz::domain::SessionId;
    use faceshare_biz::domain::account::Caller;
    use std::sync::atomic::Ordering;
    use tokio_util::sync::CancellationToken;

    async fn is_forced(house: &House, host: Caller, id: SessionId) -> bool {
        house.cases.get(host, id).await.expect("seen").admission_forced
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_show_that_approval_is_forced_for_as_long_as_it_is() {
        let house = House::new();
        let host = house.person(1).await;
        let id = house.open(host).await.session.id;
        let watch = DoorWatch {
            budgets: house.budgets.clone(),
            addresses: house.addresses.clone(),
            sessions: house.sessions.clone(),
            clock: house.clock.clone(),
        };
        let shutdown = CancellationToken::new();
        let watching = tokio::spawn(watch.run(shutdown.clone()));
        tokio::time::advance(INTERVAL * 2).await;
        assert!(!is_forced(&house, host, id).await);
        house.budgets.under_attack.store(true, Ordering::SeqCst);
        tokio::time::sleep(INTERVAL * 2).await;
        assert!(is_forced(&house, host, id).await);
        let later = house.open(host).await.session;
        assert!(later.admission_forced && is_forced(&house, host, later.id).await, "of a new one too");
        house.budgets.under_attack.store(false, Ordering::SeqCst);
        tokio::time::sleep(INTERVAL * 2).await;
        assert!(!is_forced(&house, host, id).await && !is_forced(&house, host, later.id).await);
        shutdown.cancel();
        watching.await.expect("it stops");
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_comes_back_looks_whether_approval_is_forced() {
        let house = House::new();
        let host = house.person(1).await;
        let id = house.open(host).await.session.id;
        house.sessions.force_admission(true).await;
        assert!(is_forced(&house, host, id).await);
        house.sessions.let_go().await;
        assert!(is_forced(&house, host, id).await, "it says so still");
        house.sessions.let_go().await;
        house.sessions.force_admission(false).await;
        assert!(!is_forced(&house, host, id).await, "its log says that it was, the house that it is not");
    }
}
