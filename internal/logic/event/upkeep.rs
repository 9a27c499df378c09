//! Figures about the event log, and the deletion of what is old.

use faceshare_biz::Result;
use faceshare_biz::constants::{DEAD_LETTER_KEPT, EVENT_KEPT};
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::event::{DeadLetters, EventLog};
use faceshare_biz::domain::port::Clock;
use metrics::{Unit, describe_gauge, gauge};
use std::sync::Arc;
use std::time::Duration;

/// How often [`EventUpkeep::measure`] is due.
pub const FIGURES_INTERVAL: Duration = Duration::from_secs(10);
/// How often [`EventUpkeep::purge`] is due.
pub const UPKEEP_INTERVAL: Duration = Duration::from_secs(3_600);

/// Measures the event log and deletes old events and dead letters.
#[derive(Clone)]
pub struct EventUpkeep {
    log: Arc<dyn EventLog>,
    letters: Arc<dyn DeadLetters>,
    clock: Arc<dyn Clock>,
}

impl EventUpkeep {
    /// Over these ports.
    #[must_use]
    pub fn new(
        log: Arc<dyn EventLog>,
        letters: Arc<dyn DeadLetters>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        describe_gauge!(
            "events_unsequenced",
            "Committed events that have no position yet, in the whole installation."
        );
        describe_gauge!(
            "events_unsequenced_age_seconds",
            Unit::Seconds,
            "The age of the oldest event that has no position yet; 0: there is none."
        );
        describe_gauge!(
            "event_consumer_behind",
            "Events with a position that the consumer has not handled yet."
        );
        describe_gauge!(
            "event_consumer_behind_seconds",
            Unit::Seconds,
            "The age of the oldest event that the consumer has not handled yet; 0: there is none."
        );
        describe_gauge!(
            "event_dead_letters",
            "Events that the consumer gave up and that wait for an operator."
        );
        Self {
            log,
            letters,
            clock,
        }
    }

    /// Sets the gauges.
    pub async fn measure(&self) {
        match self.log.figures().await {
            Ok(figures) => {
                let age = |since: Option<Timestamp>| {
                    since.map_or(0.0, |since| self.clock.now().since(since).as_secs_f64())
                };
                gauge!("events_unsequenced").set(count(figures.unsequenced));
                gauge!("events_unsequenced_age_seconds").set(age(figures.unsequenced_since));
                for of in figures.consumers {
                    let labels = [("consumer", of.consumer)];
                    gauge!("event_consumer_behind", &labels).set(count(of.behind));
                    gauge!("event_consumer_behind_seconds", &labels).set(age(of.behind_since));
                    gauge!("event_dead_letters", &labels).set(count(of.dead_letters));
                }
            }
            Err(error) => {
                tracing::warn!(%error, cause = ?error.cause(), "the event log could not be measured; the next tick tries again");
            }
        }
    }

    /// Deletes events and dead letters that are old enough.
    pub async fn purge(&self) {
        match self.try_purge().await {
            Ok((0, 0)) => {}
            Ok((events, letters)) => tracing::info!(events, letters, "deleted old events"),
            Err(error) => {
                tracing::warn!(%error, cause = ?error.cause(), "old events could not be deleted; the next tick tries again");
            }
        }
    }

    async fn try_purge(&self) -> Result<(u64, u64)> {
        let now = self.clock.now();
        let events = self.log.purge(now, EVENT_KEPT).await?;
        let letters = self.letters.purge(now - DEAD_LETTER_KEPT).await?;
        Ok((events, letters))
    }
}

/// Gauges are floating-point numbers; counts above 2^53 do not occur.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
const fn count(figure: u64) -> f64 {
    figure as f64
}
