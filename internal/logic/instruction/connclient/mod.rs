//! One connection: reads and carries out, writes and keeps alive, closes with the right word.
//!
//! Reader, writer and pulse are three futures of one task. The reader is looked at whenever the task is woken; the others, and the end of
//! the process, only when they are (see `attend`). The reader ends the connection by itself only when the peer is gone; else
//! it asks the outbound queue to close, so that what is queued goes out first. The writer rests most of the time: what a session says goes
//! straight to the socket (see `outbound`).

mod attend;
mod direct;
mod meter;
mod outbound;
mod pulse;
mod reader;
mod socket;
mod waiting;
mod writer;

pub(crate) use meter::Bucket;
pub(crate) use outbound::Next;
pub use outbound::Outbound;
pub use socket::{DirectWrite, FrameSink, FrameSource, Incoming, PeerGone};
pub use waiting::Shown;

use super::session::{Connected, Opening, SessionHandle};
use super::sessions::Sessions;
use attend::{Done, attend};
use bytes::Bytes;
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::account::RevocationRegistry;
use faceshare_biz::domain::facesession::SessionClaims;
use faceshare_biz::domain::instruction::{CloseReason, FrameCodec, Position, WireFormat};
use faceshare_biz::domain::port::{IdGenerator, Tokens};
use faceshare_biz::{ErrorCode, Result};
use pulse::Pulse;
use reader::Reader;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;
use writer::Writer;

/// After a close frame the peer has this long to close too; until then what it sends is thrown away, so that the code arrives.
const FAREWELL: Duration = Duration::from_secs(2);

/// What connections need beside their session.
#[derive(Clone)]
pub struct ConnClients {
    /// The sessions.
    pub sessions: Sessions,
    /// How frames are written and read.
    pub codec: Arc<dyn FrameCodec>,
    /// Fresh session tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Which sign-ins are over: their points get no fresh token.
    pub revocations: Arc<dyn RevocationRegistry>,
    /// Incarnations.
    pub ids: Arc<dyn IdGenerator>,
}

/// A connection whose credentials are good.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// What its token says.
    pub claims: SessionClaims,
    /// How its frames are written.
    pub format: WireFormat,
    /// What its client has seen.
    pub position: Option<Position>,
    /// When its token ends.
    pub expires_at: Timestamp,
}

impl ConnClients {
    /// Takes a connection in; it is then to be [run](Connection::run). `None`: it was refused, and told why.
    ///
    /// This is apart from running it, as a task is as large as all that it may ever hold at once: what is needed to begin is gone by the time
    /// of the long wait. The halves are borrowed, here and further down, as every call that owned them would add their size.
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
                let (connected, told) = (Some(Box::new(connected)), AtomicBool::new(false));
                Some(Connection {
                    clients: self,
                    session,
                    claims,
                    incarnation,
                    format,
                    outbound,
                    expires_at,
                    connected,
                    told,
                })
            }
            Err(reason) => {
                let _ = tokio::time::timeout(FAREWELL, sink.close(reason)).await;
                farewell(source).await;
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

/// How a refused connection is closed.
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

async fn farewell(source: &mut impl FrameSource) {
    // A peer that does not close in time is cut off: that is what the time limit is for.
    let _ = tokio::time::timeout(FAREWELL, source.discard()).await;
}

/// A connection that is a point, until it is run to its end or dropped.
pub struct Connection<'a> {
    clients: &'a ConnClients,
    session: SessionHandle,
    claims: SessionClaims,
    incarnation: u64,
    format: WireFormat,
    outbound: Arc<Outbound>,
    expires_at: Timestamp,
    /// What it is told first, until it is.
    connected: Option<Box<Connected>>,
    /// The session knows that it is gone.
    told: AtomicBool,
}

impl Drop for Connection<'_> {
    /// A point whose loss nobody hears of would keep its member online for ever: if the task panicked, or was cut off, the session is told
    /// from here.
    fn drop(&mut self) {
        if self.told.load(Ordering::Relaxed) {
            return;
        }
        self.outbound.retire();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (session, point, incarnation) =
                (self.session.clone(), self.claims.point, self.incarnation);
            runtime.spawn(async move { session.lost(point, incarnation).await });
        }
    }
}

impl Connection<'_> {
    /// Serves the connection from its welcome to its close; or until `cut` completes: then nothing more is said to the peer, and the session
    /// hears of the loss when this is dropped.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn keeps what it is called with twice, for as long as the connection lasts"
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
            let pulse = Pulse::new(this);
            let mut reader = Reader::new(this, &pulse);
            let writer = Writer::new(this);
            let (goodbye, closed) = {
                let mut reading = pin!(reader.run(source));
                let reading = pin!(poll_fn(|cx| {
                    // Mostly something has come, and it is for the session.
                    this.session.prefetch();
                    this.outbound.prefetch();
                    reading.as_mut().poll(cx)
                }));
                let mut serving = pin!(async {
                    tokio::select! {
                        biased;
                        reason = writer.run(&mut connected, sink) => reason,
                        never = pulse.run() => match never {},
                    }
                });
                // Not one more branch: a `select!` looks at none when what is read has used up the turn.
                let rest = pin!(poll_fn(|cx| match cut.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(None),
                    Poll::Pending => serving.as_mut().poll(cx).map(Some),
                }));
                match attend(reading, rest).await {
                    Done::Often(goodbye) => (goodbye, None),
                    Done::Seldom(Some(reason)) => (None, Some(reason)),
                    Done::Seldom(None) => return,
                }
            };
            // Where to look first when somebody says that it has missed something.
            let (session, point, read_up_to) =
                (this.session.id(), this.claims.point, pulse.watermark());
            tracing::debug!(%session, %point, %read_up_to, ?closed, "connection over");
            tokio::select! {
                biased;
                () = cut => {}
                () = Box::pin(this.end(goodbye, closed, source, sink)) => {}
            }
        }
    }

    async fn end(
        &self,
        goodbye: Option<Bytes>,
        closed: Option<CloseReason>,
        source: &mut impl FrameSource,
        sink: &mut impl FrameSink,
    ) {
        let mut last = self.outbound.retire();
        let answer = async {
            if let Some(goodbye) = goodbye {
                last.push(goodbye);
                // A peer that does not wait for an answer needs none.
                let _ = tokio::time::timeout(FAREWELL, sink.send(&mut last)).await;
            }
        };
        let depart = async {
            self.session.lost(self.claims.point, self.incarnation).await;
            self.told.store(true, Ordering::Relaxed);
        };
        // Neither waits for the other: a session may be slow to hear of it, a peer slow to take its answer.
        tokio::join!(depart, answer);
        if let Some(reason) = closed {
            metrics::counter!("stream_closed_total", "reason" => format!("{reason:?}"))
                .increment(1);
            farewell(source).await;
        }
    }
}
