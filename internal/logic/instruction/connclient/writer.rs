//! The writing side: the welcome, what was missed, then whatever waits, in one go each time.

use super::socket::{FrameSink, PeerGone};
use super::{Connection, FAREWELL, Outbound};
use crate::instruction::replay::Replay;
use crate::instruction::session::Connected;
use faceshare_biz::domain::instruction::CloseReason;

pub(super) struct Writer<'a> {
    connection: &'a Connection<'a>,
}

/// Why a writer stops.
enum Stop {
    /// With this word for the peer.
    Close(CloseReason),
    /// Without: there is nobody to hear it.
    Gone,
}

impl From<PeerGone> for Stop {
    fn from(_: PeerGone) -> Self {
        Self::Gone
    }
}

impl<'a> Writer<'a> {
    pub(super) const fn new(connection: &'a Connection<'a>) -> Self {
        Self { connection }
    }

    /// Writes until the connection is to be closed, and says so to the peer. Returns why.
    pub(super) async fn run(&self, connected: Connected, sink: &mut impl FrameSink) -> CloseReason {
        let stop = tokio::select! {
            stop = self.write(connected, sink) => stop,
            reason = overdue(&self.connection.outbound) => Stop::Close(reason),
        };
        match stop {
            Stop::Close(reason) => {
                // A peer that does not take the close frame in time is cut off.
                let _ = tokio::time::timeout(FAREWELL, sink.close(reason)).await;
                reason
            }
            // The reader sees the same end, with everything that the peer still said before it.
            Stop::Gone => std::future::pending().await,
        }
    }

    async fn write(&self, connected: Connected, sink: &mut impl FrameSink) -> Stop {
        match self.write_all(connected, sink).await {
            Ok(reason) => Stop::Close(reason),
            Err(stop) => stop,
        }
    }

    async fn write_all(&self, connected: Connected, sink: &mut impl FrameSink) -> Result<CloseReason, Stop> {
        let outbound = &self.connection.outbound;
        let mut batch = vec![connected.welcome];
        sink.send(&mut batch).await?;
        if let Some(missed) = connected.missed {
            let clients = self.connection.clients;
            let mut replay = Replay::new(clients.sessions.deps(), self.connection.session.id(), self.connection.format, missed);
            while replay.next(&mut batch).await.map_err(|()| Stop::Close(CloseReason::Restarting))? {
                sink.send(&mut batch).await?;
            }
        }
        loop {
            let closing = outbound.take(&mut batch);
            if !batch.is_empty() {
                sink.send(&mut batch).await?;
            }
            if let Some(reason) = closing {
                return Ok(reason);
            }
            outbound.ready().await;
        }
    }
}

/// Completes when the connection is to be closed and the peer does not take what is left for it: at once when it is too slow already.
async fn overdue(outbound: &Outbound) -> CloseReason {
    let reason = outbound.closed().await;
    if reason != CloseReason::TooSlow {
        tokio::time::sleep(FAREWELL).await;
    }
    reason
}
