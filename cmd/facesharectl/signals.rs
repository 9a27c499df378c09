//! The signals that ask a program to end.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT, SIGTERM, SIGHUP and SIGQUIT. Once it exists they no longer end the process by
/// themselves.
pub(crate) struct StopSignals([Signal; 4]);

impl StopSignals {
    /// # Errors
    /// When the system refuses a handler.
    pub(crate) fn new() -> io::Result<Self> {
        use SignalKind as Kind;
        Ok(Self([
            signal(Kind::interrupt())?,
            signal(Kind::terminate())?,
            signal(Kind::hangup())?,
            signal(Kind::quit())?,
        ]))
    }

    /// Waits for the next of them.
    ///
    /// Cancel safe.
    pub(crate) async fn next(&mut self) {
        let [interrupt, terminate, hangup, quit] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
            _ = quit.recv() => {}
        }
    }
}
