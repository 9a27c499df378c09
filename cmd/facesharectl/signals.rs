//! The signals that ask a program to end.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT, SIGTERM, SIGHUP and SIGQUIT. From its making on, they no longer end the process by themselves.
pub(crate) struct StopSignals([Signal; 4]);

impl StopSignals {
    /// # Errors
    /// When the system takes no handler.
    pub(crate) fn new() -> io::Result<Self> {
        use SignalKind as Kind;
        Ok(Self([
            signal(Kind::interrupt())?,
            signal(Kind::terminate())?,
            signal(Kind::hangup())?,
            signal(Kind::quit())?,
        ]))
    }

    /// Returns at the next of them.
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
