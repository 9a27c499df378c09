//! The event log at work: the sequencer, the drivers of consumers, and upkeep.
//!
//! # Adding a consumer
//! 1. Implement [`EventHandler`]. A handler that stores its effect in SQL does it by a repository's
//!    port that takes the [`Progress`], and stores both in one transaction. Any other effect is
//!    keyed by the event's id, because an event can come again.
//! 2. Run [`Consumer::follow`] as a background job, and call [`Consumer::release`] when the process
//!    stops.
//!
//! [`Progress`]: faceshare_biz::domain::event::Progress

mod consumer;
mod lease;
mod sequencer;
#[cfg(test)]
mod tests;
mod upkeep;

pub use consumer::{Consumer, ConsumerDeps, EventHandler, Handled};
pub use sequencer::Sequencer;
pub use upkeep::{EventUpkeep, FIGURES_INTERVAL, UPKEEP_INTERVAL};

use std::time::Duration;

/// How long a lease lasts after its last renewal: an owner that stops is replaced after this. It is
/// renewed after a third, so one renewal may fail.
const LEASE_TERM: Duration = Duration::from_secs(10);
/// How often the log is looked at for what other processes have written.
const POLL: Duration = Duration::from_millis(200);
/// The wait after a first failure; doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_secs(1);
/// The longest wait between two attempts.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// The wait after this many failures in a row.
fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    RETRY_MIN.saturating_mul(1 << doublings).min(RETRY_MAX)
}
