//! One connection: it reads frames and passes them to the session, writes frames and heartbeats,
//! and closes with the right code.
//!
//! Reader, writer and heartbeat are three futures of one task. The reader ends the connection by
//! itself only when the peer is gone; otherwise it closes the outbound queue, so that queued frames
//! are written first. The writer is idle most of the time: the session writes its frames directly
//! to the socket (see `outbound`).

mod direct;
mod heartbeat;
mod meter;
mod outbound;
mod queue;
mod reader;
mod socket;
mod writer;

pub(crate) use meter::TokenBucket;
pub(crate) use outbound::Next;
pub use outbound::Outbound;
pub use queue::QueuedPosition;
pub use socket::{DirectWrite, FrameSink, FrameSource, Incoming, PeerGone};

use super::session::{Connected, Opening, SessionHandle};
use super::sessions::Sessions;
use bytes::Bytes;
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::account::RevocationRegistry;
use faceshare_biz::domain::facesession::SessionClaims;
use faceshare_biz::domain::instruction::{CloseReason, FrameCodec, Position, WireFormat};
use faceshare_biz::domain::port::{IdGenerator, Tokens};
use faceshare_biz::{ErrorCode, Result};
use heartbeat::Heartbeat;
use reader::Reader;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use writer::Writer;

/// How long the peer may take to close after a close frame. Until then its input is read and
/// dropped, because closing a socket with unread input resets it and the peer may lose the close
/// code.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Opens and runs connections.
#[derive(Clone)]
pub struct ConnClients {
    /// The sessions of this process.
    pub sessions: Sessions,
    /// Encodes and decodes frames.
    pub codec: Arc<dyn FrameCodec>,
    /// Issues the new session tokens of `tokenRenewed`.
    pub tokens: Arc<dyn Tokens>,
    /// Revoked sign-ins: their points get no new token.
    pub revocations: Arc<dyn RevocationRegistry>,
    /// Makes the incarnation number of each connection.
    pub ids: Arc<dyn IdGenerator>,
}

/// An authenticated connection that is not open yet.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The claims of its session token.
    pub claims: SessionClaims,
    /// The wire format of its frames.
    pub format: WireFormat,
    /// The last frame that its client has seen; `None` when it does not resume.
    pub position: Option<Position>,
    /// When its session token expires.
    pub expires_at: Timestamp,
}

impl ConnClients {
    /// Opens a connection, which the caller then [runs](Connection::run). `None`: it was refused
    /// and closed with the reason.
    ///
    /// Opening and running are two calls because a task is as large as the largest of its steps:
    /// the memory for opening is free while the connection runs. The halves are borrowed, here and
    /// below, because each call that owned them would add their size to the task.
    pub async fn open(
        &self,
        arrival: Arrival,
        source: &mut impl FrameSource,
        sink: &mut impl FrameSink,
    ) -> Option<Connection<'_>> {
        let settings = self.sessions.settings();
        let outbound = Arc::new(Outbound::new(settings.queue_frames, settings.queue_bytes));
        let Arrival {
            claims,
            format,
            position,
            expires_at,
        } = arrival;
        let incarnation = self.ids.next_id();
        let opening = Opening {
            claims,
            incarnation,
            format,
            outbound: outbound.clone(),
            position,
        };
        match self.connect(opening).await {
            Ok((session, connected)) => {
                let (connected, loss_reported) =
                    (Some(Box::new(connected)), AtomicBool::new(false));
                Some(Connection {
                    clients: self,
                    session,
                    claims,
                    incarnation,
                    format,
                    outbound,
                    expires_at,
                    connected,
                    loss_reported,
                })
            }
            Err(reason) => {
                let _ = tokio::time::timeout(CLOSE_TIMEOUT, sink.close(reason)).await;
                drain_until_closed(source).await;
                None
            }
        }
    }

    async fn connect(&self, opening: Opening) -> Result<(SessionHandle, Connected), CloseReason> {
        let session = opening.claims.session;
        self.sessions.connect(opening).await.map_err(|error| {
            tracing::debug!(%session, error = %error, cause = ?error.cause(), "connection refused");
            refusal(error.code)
        })
    }
}

/// The close reason for a connection that was refused with this code.
#[must_use]
pub fn refusal(code: ErrorCode) -> CloseReason {
    match code {
        ErrorCode::Unauthenticated | ErrorCode::TokenExpired | ErrorCode::NotFound => {
            CloseReason::Unauthenticated
        }
        ErrorCode::Forbidden => CloseReason::Removed,
        ErrorCode::SessionEnded => CloseReason::SessionEnded,
        ErrorCode::LimitExceeded | ErrorCode::RateLimited => CloseReason::TooMany,
        ErrorCode::Unavailable => CloseReason::Restarting,
        _ => CloseReason::Internal,
    }
}

async fn drain_until_closed(source: &mut impl FrameSource) {
    // A peer that does not close in time is disconnected.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, source.discard()).await;
}

/// An open connection of a point.
pub struct Connection<'a> {
    clients: &'a ConnClients,
    session: SessionHandle,
    claims: SessionClaims,
    incarnation: u64,
    format: WireFormat,
    outbound: Arc<Outbound>,
    expires_at: Timestamp,
    /// The welcome and the missed frames, until they are written.
    connected: Option<Box<Connected>>,
    /// The session was told that the connection is gone.
    loss_reported: AtomicBool,
}

impl Drop for Connection<'_> {
    /// Reports the loss of the point to the session if the task panicked or was cut off. Otherwise
    /// its member would stay online forever.
    fn drop(&mut self) {
        if self.loss_reported.load(Ordering::Relaxed) {
            return;
        }
        self.outbound.close_and_drain();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (session, point, incarnation) =
                (self.session.clone(), self.claims.point, self.incarnation);
            runtime.spawn(async move { session.lost(point, incarnation).await });
        }
    }
}

impl Connection<'_> {
    /// Serves the connection from its welcome to its close, or until `cut` completes. Then nothing
    /// more is sent to the peer, and the session is told of the loss when the connection is
    /// dropped.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn stores its arguments twice for as long as the connection lasts"
    )]
    pub fn run(
        &mut self,
        source: &mut impl FrameSource,
        sink: &mut impl FrameSink,
        mut cut: Pin<&mut impl Future<Output = ()>>,
    ) -> impl Future<Output = ()> {
        async move {
            let mut connected = self.connected.take();
            let this = &*self;
            let heartbeat = Heartbeat::new(this);
            let mut reader = Reader::new(this, &heartbeat);
            let writer = Writer::new(this);
            let (close_answer, closed) = {
                let mut reading = pin!(reader.run(source));
                let reading = pin!(poll_fn(|cx| {
                    // Most wakes are for a frame to the session.
                    this.session.prefetch();
                    this.outbound.prefetch();
                    reading.as_mut().poll(cx)
                }));
                tokio::select! {
                    // Reading comes last: a peer that sends without end uses up the task's budget.
                    biased;
                    () = cut.as_mut() => return,
                    reason = writer.run(&mut connected, sink) => (None, Some(reason)),
                    never = heartbeat.run() => match never {},
                    close_answer = reading => (close_answer, None),
                }
            };
            // For the analysis of a client's report that it has missed frames.
            let (session, point, read_up_to) =
                (this.session.id(), this.claims.point, heartbeat.watermark());
            tracing::debug!(%session, %point, %read_up_to, ?closed, "connection over");
            tokio::select! {
                biased;
                () = cut => {}
                () = Box::pin(this.end(close_answer, closed, source, sink)) => {}
            }
        }
    }

    async fn end(
        &self,
        close_answer: Option<Bytes>,
        closed: Option<CloseReason>,
        source: &mut impl FrameSource,
        sink: &mut impl FrameSink,
    ) {
        let mut last = self.outbound.close_and_drain();
        let answer = async {
            if let Some(close_answer) = close_answer {
                last.push(close_answer);
                // A peer that does not read the answer in time does not get it.
                let _ = tokio::time::timeout(CLOSE_TIMEOUT, sink.send(&mut last)).await;
            }
        };
        let report_loss = async {
            self.session.lost(self.claims.point, self.incarnation).await;
            self.loss_reported.store(true, Ordering::Relaxed);
        };
        // In parallel: the session may be slow to take the report, the peer slow to take the
        // answer.
        tokio::join!(report_loss, answer);
        if let Some(reason) = closed {
            metrics::counter!("stream_closed_total", "reason" => format!("{reason:?}"))
                .increment(1);
            drain_until_closed(source).await;
        }
    }
}
