//! How the process comes to its end.

use std::io;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The stages of an end, each for good. Cheap to clone; all clones are one.
///
/// 1. `draining`: not ready any more, upgrades are refused, connected clients are told to move.
/// 2. `soft`: listeners close; what is under way is finished.
/// 3. `hard`: everything stops where it is.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    /// The first stage.
    pub draining: CancellationToken,
    /// The second.
    pub soft: CancellationToken,
    /// The last.
    pub hard: CancellationToken,
    /// Notified when the operator asks for the configuration to be read again (SIGHUP).
    pub reload: Arc<Notify>,
    /// Tasks that the end waits for, such as upgraded connections, which no listener knows any more.
    pub tracker: TaskTracker,
}

impl Lifecycle {
    /// At the start of a life.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins to drain. A second time stops at once.
    pub fn stop(&self) {
        if self.draining.is_cancelled() {
            self.stop_now();
        }
        self.draining.cancel();
    }

    /// Stops at once.
    pub fn stop_now(&self) {
        self.draining.cancel();
        self.soft.cancel();
        self.hard.cancel();
    }

    /// From now on SIGTERM, SIGINT and SIGHUP are received and do nothing by themselves.
    ///
    /// # Errors
    /// When signals cannot be received.
    pub fn catch_signals() -> io::Result<Signals> {
        let [terminate, interrupt, hang_up] = [
            SignalKind::terminate(),
            SignalKind::interrupt(),
            SignalKind::hangup(),
        ]
        .map(signal);
        Ok(Signals {
            terminate: terminate?,
            interrupt: interrupt?,
            hang_up: hang_up?,
        })
    }

    /// Turns SIGTERM and SIGINT into [`Lifecycle::stop`] and SIGHUP into a reload, until the last stage.
    pub async fn obey(self, mut signals: Signals) {
        loop {
            let signal = tokio::select! {
                Some(()) = signals.terminate.recv() => "SIGTERM",
                Some(()) = signals.interrupt.recv() => "SIGINT",
                Some(()) = signals.hang_up.recv() => {
                    self.reload.notify_one();
                    continue;
                }
                () = self.hard.cancelled() => return,
                // No signal can come any more.
                else => return,
            };
            tracing::info!(
                signal,
                again = self.draining.is_cancelled(),
                "asked to stop"
            );
            self.stop();
        }
    }
}

/// The signals that the process receives.
#[derive(Debug)]
pub struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

#[cfg(test)]
mod tests {
    use super::Lifecycle;

    #[test]
    fn a_second_stop_is_at_once() {
        let lifecycle = Lifecycle::new();
        lifecycle.stop();
        assert!(
            lifecycle.draining.is_cancelled()
                && !lifecycle.soft.is_cancelled()
                && !lifecycle.hard.is_cancelled()
        );
        lifecycle.stop();
        assert!(lifecycle.soft.is_cancelled() && lifecycle.hard.is_cancelled());
    }
}
