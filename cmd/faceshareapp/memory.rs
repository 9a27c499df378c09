//! Gives memory back to the system after a crowd has left.
//!
//! The allocator keeps what is freed for the next one who asks. What a crowd has left lies between what still lives, so none of it is at the end of a
//! heap, and glibc returns only that by itself. [`release`] asks for the rest: every page within the heaps on which nothing lives goes back.

use faceshare_logic::instruction::Sessions;
use faceshare_repository::{cache, db};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often the job looks whether a crowd has left, and how often measurements are merged into the registry.
pub(crate) const MEMORY_INTERVAL: Duration = Duration::from_secs(5);
/// Fewer connections are no crowd: they leave a megabyte or two.
const CROWD: usize = 256;
/// A loaded session takes as much memory as this many connections.
const SESSION: usize = 7;

/// Releases memory whenever at least half of the connections and loaded sessions are gone.
pub(crate) struct ReleaseMemory {
    sessions: Sessions,
    /// Its entries keep pages from going back and are read again cheaply.
    accounts: Arc<cache::Accounts<db::Accounts>>,
    peak: Mutex<Peak>,
}

impl ReleaseMemory {
    pub(crate) fn new(sessions: Sessions, accounts: Arc<cache::Accounts<db::Accounts>>) -> Self {
        Self { sessions, accounts, peak: Mutex::default() }
    }

    /// Looks once.
    pub(crate) async fn tick(&self) {
        let now = self.sessions.points().len() + SESSION * self.sessions.loaded();
        if !self.peak.lock().unwrap_or_else(PoisonError::into_inner).has_halved(now) {
            return;
        }
        self.accounts.clear();
        // It holds the allocator's locks for some milliseconds, and no thread of the runtime for longer than it needs one of them.
        if let Err(error) = tokio::task::spawn_blocking(release).await {
            tracing::error!(%error, "memory was not released");
        }
    }
}

/// The most that there was of something since it last halved.
#[derive(Debug, Default)]
struct Peak(usize);

impl Peak {
    /// Whether of a crowd at most half is left. From then on another peak counts.
    fn has_halved(&mut self, now: usize) -> bool {
        self.0 = self.0.max(now);
        let halved = self.0 >= CROWD && now <= self.0 / 2;
        if halved {
            self.0 = now;
        }
        halved
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn release() {
    // SAFETY: it takes a number by value and returns one, may be called from any thread, and touches only memory that is free.
    #[expect(unsafe_code, reason = "std has no way to say this")]
    let released = unsafe { libc::malloc_trim(0) };
    tracing::debug!(released = released == 1, "free memory given back to the system");
}

/// Other allocators give memory back in their own time.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn release() {}

#[cfg(test)]
mod tests {
    use super::{CROWD, Peak};

    #[test]
    fn memory_is_released_when_half_of_a_crowd_has_left_and_again_when_half_of_the_rest_has() {
        let mut peak = Peak::default();
        let halved: Vec<_> = [0, 1_000, 2_000, 1_100, 1_000, 1_000, 600, 500, 100].map(|now| peak.has_halved(now)).into();
        assert_eq!(halved, [false, false, false, false, true, false, false, true, true]);
    }

    #[test]
    fn few_people_are_no_crowd() {
        let mut peak = Peak::default();
        assert!(!peak.has_halved(CROWD - 1) && !peak.has_halved(0));
        assert!(!peak.has_halved(CROWD) && peak.has_halved(0) && !peak.has_halved(0));
    }
}
