//! The writes of the connection's own task: the welcome, the missed frames, what a full socket did
//! not take, the close frame.

use super::socket::{FrameSink, PeerGone};
use super::{CLOSE_TIMEOUT, Connection, Next, Outbound};
use crate::instruction::replay::Replay;
use crate::instruction::session::{Connected, Missed};
use bytes::Bytes;
use faceshare_biz::domain::instruction::CloseReason;
use std::future::Future;

pub(super) struct Writer<'a> {
    connection: &'a Connection<'a>,
}

/// Why the writer stops early.
enum Stop {
    /// The connection is to be closed with this reason.
    Close(CloseReason),
    /// The peer is gone.
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

    /// Writes until the connection is to be closed, then sends the close frame. Returns the reason.
    pub(super) async fn run(
        &self,
        connected: &mut Option<Box<Connected>>,
        sink: &mut impl FrameSink,
    ) -> CloseReason {
        match self.write(connected, sink).await {
            Ok(reason) | Err(Stop::Close(reason)) => {
                // Tells the reader, when the decision to close was made here.
                self.connection.outbound.close(reason);
                // A peer that does not take the close frame in time is disconnected.
                let _ = Box::pin(tokio::time::timeout(
                    CLOSE_TIMEOUT,
                    self.close(reason, sink),
                ))
                .await;
                reason
            }
            // The reader finds the same end after the last frames of the peer. If it has stopped
            // reading, or the end does not show on its side, the close comes through the queue.
            Err(Stop::Gone) => Box::pin(self.connection.outbound.closed()).await,
        }
    }

    async fn close(&self, reason: CloseReason, sink: &mut impl FrameSink) {
        if let Some(rest) = self.connection.outbound.take_partial()
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
            // On the heap and freed before the idle time: otherwise the task would stay this large.
            Box::pin(self.begin(connected, sink)).await?;
        }
        outbound.open(sink.direct());
        let mut batch = Vec::new();
        loop {
            match outbound.next(&mut batch)? {
                Next::Send => self.send(&mut batch, sink).await?,
                Next::Blocked => Box::pin(self.in_time(sink.writable())).await??,
                Next::Close(reason) => return Ok(reason),
                Next::Idle => {
                    batch = Vec::new();
                    outbound.ready().await;
                }
            }
        }
    }

    /// Writes the welcome and the missed frames.
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

    /// Awaits `doing`, but no longer than [`overdue`] allows. Missed frames are written page by
    /// page, each with its own time: a peer that reads them is not disconnected in between because
    /// its session ended.
    async fn in_time<T>(&self, doing: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::select! {
            biased;
            done = doing => Ok(done),
            reason = overdue(&self.connection.outbound) => Err(Stop::Close(reason)),
        }
    }
}

/// Completes [`CLOSE_TIMEOUT`] after the connection is being closed; at once if the peer was too
/// slow before.
async fn overdue(outbound: &Outbound) -> CloseReason {
    let reason = outbound.closed().await;
    if reason != CloseReason::TooSlow {
        tokio::time::sleep(CLOSE_TIMEOUT).await;
    }
    reason
}
