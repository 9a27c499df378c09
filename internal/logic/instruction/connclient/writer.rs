//! The writing side as far as it is the connection's own task's: the welcome, what was missed, whatever a full socket has left, the close.

use super::socket::{FrameSink, PeerGone};
use super::{Connection, FAREWELL, Next, Outbound};
use crate::instruction::replay::Replay;
use crate::instruction::session::{Connected, Missed};
use bytes::Bytes;
use faceshare_biz::domain::instruction::CloseReason;
use std::future::Future;

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
    pub(super) async fn run(
        &self,
        connected: &mut Option<Box<Connected>>,
        sink: &mut impl FrameSink,
    ) -> CloseReason {
        match self.write(connected, sink).await {
            Ok(reason) | Err(Stop::Close(reason)) => {
                // So that the reader knows, too, where it is this side's own decision.
                self.connection.outbound.close(reason);
                // A peer that does not take the close frame in time is cut off.
                let _ = Box::pin(tokio::time::timeout(FAREWELL, self.close(reason, sink))).await;
                reason
            }
            // The reader sees the same end, with everything that the peer still said before it; unless it has stopped reading, or the
            // end does not show on its side.
            Err(Stop::Gone) => Box::pin(self.connection.outbound.closed()).await,
        }
    }

    async fn close(&self, reason: CloseReason, sink: &mut impl FrameSink) {
        if let Some(rest) = self.connection.outbound.take_rest()
            && sink.send(&mut vec![rest]).await.is_err()
        {
            return;
        }
        sink.close(reason).await;
    }

    /// Writes until there is a reason to close.
    async fn write(
        &self,
        connected: &mut Option<Box<Connected>>,
        sink: &mut impl FrameSink,
    ) -> Result<CloseReason, Stop> {
        let outbound = &self.connection.outbound;
        if let Some(connected) = connected.take() {
            // On the heap, and gone before the long wait: a connection is as large as what it may ever hold at once.
            Box::pin(self.begin(connected, sink)).await?;
        }
        outbound.open(sink.direct());
        let mut batch = Vec::new();
        loop {
            match outbound.next(&mut batch)? {
                Next::Send => self.send(&mut batch, sink).await?,
                Next::Blocked => Box::pin(self.in_time(sink.writable())).await??,
                Next::Close(reason) => return Ok(reason),
                Next::Rest => {
                    batch = Vec::new();
                    outbound.ready().await;
                }
            }
        }
    }

    /// The welcome, and what was missed.
    async fn begin(
        &self,
        connected: Box<Connected>,
        sink: &mut impl FrameSink,
    ) -> Result<(), Stop> {
        let Connected { welcome, missed } = *connected;
        let mut batch = vec![welcome];
        self.send(&mut batch, sink).await?;
        match missed {
            Some(missed) => self.replay(missed, batch, sink).await,
            None => Ok(()),
        }
    }

    async fn replay(
        &self,
        missed: Missed,
        mut batch: Vec<Bytes>,
        sink: &mut impl FrameSink,
    ) -> Result<(), Stop> {
        let clients = self.connection.clients;
        let mut replay = Replay::new(
            clients.sessions.deps(),
            self.connection.session.id(),
            self.connection.format,
            missed,
        );
        while self
            .in_time(replay.next(&mut batch))
            .await?
            .map_err(|()| Stop::Close(CloseReason::Restarting))?
        {
            self.send(&mut batch, sink).await?;
        }
        Ok(())
    }

    async fn send(&self, batch: &mut Vec<Bytes>, sink: &mut impl FrameSink) -> Result<(), Stop> {
        Ok(Box::pin(self.in_time(sink.send(batch))).await??)
    }

    /// Does one thing, unless the connection is to be closed and this takes too long. What is missed comes page by page, each in its time:
    /// a peer that takes it is not cut off in the middle because its session ended.
    async fn in_time<T>(&self, doing: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::select! {
            biased;
            done = doing => Ok(done),
            reason = overdue(&self.connection.outbound) => Err(Stop::Close(reason)),
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
