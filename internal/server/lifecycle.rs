//! How the process comes to its end.

use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
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
    /// Told each time somebody asks for what is configured in files to be read again.
    pub reload: watch::Sender<()>,
    /// Tasks that the end waits for, such as upgraded connections, which no listener knows any more.
    pub tracker: TaskTracker,
}

/// What the operating system asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
    /// SIGHUP.
    HangUp,
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

    /// Turns SIGTERM and SIGINT into [`Lifecycle::stop`] and SIGHUP into a reload, until the last stage.
    ///
    /// # Errors
    /// When signals cannot be listened to.
    pub async fn obey_signals(&self) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        loop {
            let received = tokio::select! {
                _ = terminate.recv() => Signal::Terminate,
                _ = interrupt.recv() => Signal::Interrupt,
                _ = hang_up.recv() => Signal::HangUp,
                () = self.hard.cancelled() => return Ok(()),
            };
            if received == Signal::HangUp {
                tracing::info!("asked to read keys and certificates again");
                self.reload.send_replace(());
                continue;
            }
            tracing::info!(signal = ?received, again = self.draining.is_cancelled(), "asked to stop");
            self.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lifecycle;

    #[test]
    fn a_second_stop_is_at_once() {
        let lifecycle = Lifecycle::new();
        lifecycle.stop();
        assert!(lifecycle.draining.is_cancelled() && !lifecycle.soft.is_cancelled() && !lifecycle.hard.is_cancelled());
        lifecycle.stop();
        assert!(lifecycle.soft.is_cancelled() && lifecycle.hard.is_cancelled());
    }
}
