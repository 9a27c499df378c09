//! Watches how much is being guessed, tells operators, and lets go of addresses whose time is over.

use crate::instruction::Sessions;
use crate::instruction::mgr::pointaddresses::PointAddresses;
use faceshare_biz::domain::facesession::{GuessBudgets, Pressure};
use faceshare_biz::domain::port::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often [`DoorWatch::tick`] is due.
pub const DOOR_WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Tells sessions while approval is forced because too much is guessed.
pub struct DoorWatch {
    budgets: Arc<dyn GuessBudgets>,
    addresses: Arc<PointAddresses>,
    sessions: Sessions,
    clock: Arc<dyn Clock>,
    /// What the sessions were told last.
    forced: AtomicBool,
}

impl DoorWatch {
    /// Watches `budgets`, tells `sessions`, and forgets what is too old of `addresses`.
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

    /// Looks once at how much is being guessed. Sessions are told of a change; those that were not when a tick is cut short, at the next.
    pub async fn tick(&self) {
        self.addresses.forget_old(self.clock.now());
        let pressure = match self.budgets.pressure(self.clock.now()).await {
            Ok(pressure) => pressure,
            Err(error) => {
                tracing::warn!(%error, cause = ?error.cause(), "it is not known how much is being guessed");
                return;
            }
        };
        show(&pressure);
        let forced = pressure.spent.is_some();
        if self.forced.load(Ordering::Relaxed) != forced {
            announce(&pressure);
            self.sessions.force_admission(forced).await;
            self.forced.store(forced, Ordering::Relaxed);
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
        None => tracing::info!(
            expected_hits_short = short,
            expected_hits_day = day,
            "the guessing has ceased: codes admit again"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::DoorWatch;
    use crate::facesession::fakes::House;
    use faceshare_biz::domain::SessionId;
    use faceshare_biz::domain::account::Caller;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    async fn is_forced(house: &House, host: Caller, id: SessionId) -> bool {
        house
            .cases
            .get(host, id)
            .await
            .expect("seen")
            .admission_forced
    }

    /// A look, and with the time paused whatever the sessions have to do after it.
    async fn look(watch: &DoorWatch) {
        watch.tick().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_show_that_approval_is_forced_for_as_long_as_it_is() {
        let house = House::new();
        let host = house.person(1).await;
        let id = house.open(host).await.session.id;
        let watch = DoorWatch::new(
            house.budgets.clone(),
            house.addresses.clone(),
            house.sessions.clone(),
            house.clock.clone(),
        );
        look(&watch).await;
        assert!(!is_forced(&house, host, id).await);
        house.budgets.under_attack.store(true, Ordering::SeqCst);
        look(&watch).await;
        assert!(is_forced(&house, host, id).await);
        let later = house.open(host).await.session;
        assert!(
            later.admission_forced && is_forced(&house, host, later.id).await,
            "of a new one too"
        );
        house.budgets.under_attack.store(false, Ordering::SeqCst);
        look(&watch).await;
        assert!(!is_forced(&house, host, id).await && !is_forced(&house, host, later.id).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_comes_back_looks_whether_approval_is_forced() {
        let house = House::new();
        let host = house.person(1).await;
        let id = house.open(host).await.session.id;
        house.sessions.force_admission(true).await;
        assert!(is_forced(&house, host, id).await);
        house.sessions.unload_all().await;
        assert!(is_forced(&house, host, id).await, "it says so still");
        house.sessions.unload_all().await;
        house.sessions.force_admission(false).await;
        assert!(
            !is_forced(&house, host, id).await,
            "its log says that it was, the house that it is not"
        );
    }
}
