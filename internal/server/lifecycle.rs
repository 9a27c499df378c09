//! The stages in which the process shuts down.

use std::io;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The stages of a shutdown; none can be undone. Cheap to clone; all clones share one state.
///
/// 1. `draining`: readiness checks fail, upgrades are refused, and streams are closed.
/// 2. `soft`: listeners close, and requests in service are finished.
/// 3. `hard`: everything stops at once.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    /// Cancelled at the first stage.
    pub draining: CancellationToken,
    /// Cancelled at the second stage.
    pub soft: CancellationToken,
    /// Cancelled at the last stage.
    pub hard: CancellationToken,
    /// Notified when the operator asks for the configuration to be read again (SIGHUP).
    pub reload: Arc<Notify>,
    /// Tasks that the shutdown waits for, such as upgraded connections, which no listener tracks
    /// any more.
    pub tracker: TaskTracker,
}

impl Lifecycle {
    /// A lifecycle in which no stage has begun.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins to drain. A second call stops at once.
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

    /// Catches SIGTERM, SIGINT and SIGHUP: from now on they have no default action.
    ///
    /// # Errors
    /// When the signal handlers cannot be installed.
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

    /// Turns SIGTERM and SIGINT into [`Lifecycle::stop`] and SIGHUP into a reload, until the last
    /// stage.
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
                // The signal streams are closed.
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

/// The signals that the process handles.
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
