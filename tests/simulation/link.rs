//! One simulated connection. Frames arrive late and in order; the connection may be cut, become
//! silent, or end at a client that stops reading.

use crate::bug::Bug;
use crate::random::Random;
use bytes::Bytes;
use faceshare_biz::domain::instruction::CloseReason;
use faceshare_logic::instruction::connclient::{
    DirectWrite, FrameSink, FrameSource, Incoming, PeerGone,
};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The state of the network between client and server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    Whole,
    /// Half-open: both ends consider it connected, and nothing arrives.
    Silent,
    Cut,
}

/// A message on its way to the client.
#[derive(Debug)]
enum ServerMessage {
    Batch(Vec<Bytes>),
    Close(CloseReason),
}

/// What a client receives.
#[derive(Debug)]
pub(crate) enum Received {
    /// Frames that the server wrote with one call.
    Batch(Vec<Bytes>),
    /// The server closed the connection with this reason.
    Closed(CloseReason),
    /// The connection ended without a close frame.
    Lost,
}

/// Both ends of a connection and the messages between them.
#[derive(Debug)]
pub(crate) struct Link {
    wire: Mutex<Wire>,
    server_wake: Notify,
    capacity_wake: Notify,
}

#[derive(Debug)]
struct Wire {
    random: Random,
    bug: Bug,
    network: Network,
    /// The longest latency of a message, in milliseconds.
    latency: u64,
    /// The most batches on their way to the client.
    queue_max: usize,
    /// Whether the server's actor may write directly, and learns how many bytes were written.
    direct: bool,
    /// The written beginning of an incomplete frame.
    incomplete: Vec<u8>,
    /// Whether the client has stopped reading.
    stalled: bool,
    to_server: VecDeque<(Instant, Bytes)>,
    to_client: VecDeque<(Instant, ServerMessage)>,
    last_to_server: Instant,
    last_to_client: Instant,
    /// When the server learns that the client has disconnected.
    disconnected_at: Option<Instant>,
    server_gone: bool,
}

impl Wire {
    fn arrival(&mut self, last: Instant) -> Instant {
        (Instant::now() + self.random.millis(0, self.latency)).max(last)
    }

    fn is_client_gone(&self) -> bool {
        self.network == Network::Cut || self.disconnected_at.is_some_and(|at| at <= Instant::now())
    }

    /// Accepts so many bytes of these frames; the frames that are complete leave in one batch.
    fn accept(&mut self, frames: &[&[u8]], mut bytes: usize) {
        let mut complete = Vec::new();
        for frame in frames {
            let accepted = bytes.min(frame.len());
            self.incomplete.extend_from_slice(&frame[..accepted]);
            bytes -= accepted;
            if accepted < frame.len() {
                break;
            }
            complete.push(std::mem::take(&mut self.incomplete).into());
        }
        if !complete.is_empty() {
            let complete = self.with_planted_bug(complete);
            self.enqueue(ServerMessage::Batch(complete));
        }
    }

    fn enqueue(&mut self, to_client: ServerMessage) {
        self.last_to_client = self.arrival(self.last_to_client);
        self.to_client.push_back((self.last_to_client, to_client));
    }

    /// The planted bug: an ordered frame is delivered twice.
    fn with_planted_bug(&mut self, mut frames: Vec<Bytes>) -> Vec<Bytes> {
        if self.bug == Bug::DoubleDelivery && self.random.one_in(20) {
            let at = self.random.index(frames.len());
            let frame = frames[at].clone();
            frames.insert(at, frame);
        }
        frames
    }
}

impl Link {
    pub(crate) fn new(mut random: Random, latency: u64, bug: Bug) -> Arc<Self> {
        let now = Instant::now();
        let queue_max = 1 + random.index(8);
        let direct = !random.one_in(3);
        let wire = Wire {
            random,
            bug,
            network: Network::Whole,
            latency,
            queue_max,
            direct,
            incomplete: Vec::new(),
            stalled: false,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            last_to_server: now,
            last_to_client: now,
            disconnected_at: None,
            server_gone: false,
        };
        Arc::new(Self {
            wire: Mutex::new(wire),
            server_wake: Notify::new(),
            capacity_wake: Notify::new(),
        })
    }

    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire
            .lock()
            .expect("invariant: nothing panics while it holds the wire")
    }

    fn wake_both(&self) {
        self.server_wake.notify_one();
        self.capacity_wake.notify_one();
    }

    /// Cuts the connection; a part of the messages under way still arrives.
    pub(crate) fn cut(&self) {
        {
            let mut wire = self.wire();
            let (to_server, to_client) = (wire.to_server.len() as u64, wire.to_client.len() as u64);
            let (to_server, to_client) = (
                wire.random.below(to_server + 1),
                wire.random.below(to_client + 1),
            );
            wire.to_server
                .truncate(usize::try_from(to_server).unwrap_or(0));
            wire.to_client
                .truncate(usize::try_from(to_client).unwrap_or(0));
            wire.network = Network::Cut;
        }
        self.wake_both();
    }

    /// Makes the connection silent; neither end notices.
    pub(crate) fn silence(&self) {
        let mut wire = self.wire();
        wire.network = Network::Silent;
        wire.to_server.clear();
        wire.to_client.clear();
        drop(wire);
        self.wake_both();
    }

    /// The client disconnects; the server learns of it after this time.
    pub(crate) fn disconnect(&self, after: Duration) {
        self.wire()
            .disconnected_at
            .get_or_insert(Instant::now() + after);
        self.wake_both();
    }

    /// Sets whether the client has stopped reading.
    pub(crate) fn set_stalled(&self, stalled: bool) {
        self.wire().stalled = stalled;
        self.capacity_wake.notify_one();
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.wire().stalled
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.wire().network == Network::Silent
    }

    /// Sends a message of the client.
    pub(crate) fn send(&self, message: Bytes) {
        {
            let mut wire = self.wire();
            if wire.network != Network::Whole {
                return;
            }
            let last = wire.last_to_server;
            let at = wire.arrival(last);
            wire.last_to_server = at;
            wire.to_server.push_back((at, message));
        }
        self.server_wake.notify_one();
    }

    /// Discards what has arrived; `false` if nothing more will come.
    pub(crate) fn discard_received(&self) -> bool {
        loop {
            match self.receive() {
                None => return !self.is_silent(),
                Some(Received::Lost) => return false,
                Some(_) => {}
            }
        }
    }

    /// The next arrived message.
    pub(crate) fn receive(&self) -> Option<Received> {
        let mut wire = self.wire();
        if wire.stalled || wire.network == Network::Silent {
            return None;
        }
        if wire
            .to_client
            .front()
            .is_some_and(|(at, _)| *at <= Instant::now())
        {
            let (_, to_client) = wire.to_client.pop_front()?;
            drop(wire);
            self.capacity_wake.notify_one();
            return Some(match to_client {
                ServerMessage::Batch(frames) => Received::Batch(frames),
                ServerMessage::Close(reason) => Received::Closed(reason),
            });
        }
        (wire.to_client.is_empty() && (wire.server_gone || wire.network == Network::Cut))
            .then_some(Received::Lost)
    }
}

/// The server's read half.
pub(crate) struct LinkSource(pub(crate) Arc<Link>);

impl FrameSource for LinkSource {
    async fn next(&mut self) -> Incoming {
        loop {
            let until = {
                let mut wire = self.0.wire();
                let now = Instant::now();
                match wire.to_server.front() {
                    Some((at, _)) if *at <= now => {
                        return wire
                            .to_server
                            .pop_front()
                            .map_or(Incoming::Gone, |(_, message)| Incoming::Frame(message));
                    }
                    Some((at, _)) => Some(*at),
                    None if wire.is_client_gone() => return Incoming::Gone,
                    None => wire.disconnected_at,
                }
            };
            match until {
                Some(at) => tokio::select! {
                    biased;
                    () = self.0.server_wake.notified() => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                None => self.0.server_wake.notified().await,
            }
        }
    }

    fn has_more(&self) -> bool {
        self.0
            .wire()
            .to_server
            .front()
            .is_some_and(|(at, _)| *at <= Instant::now())
    }

    async fn discard(&mut self) {
        while self.next().await != Incoming::Gone {}
    }
}

/// The server's write half.
pub(crate) struct LinkSink(pub(crate) Arc<Link>);

impl LinkSink {
    /// Waits for capacity, and runs `to_client`.
    async fn put(&self, to_client: impl FnOnce(&mut Wire)) -> Result<(), PeerGone> {
        loop {
            let until = {
                let mut wire = self.0.wire();
                match wire.capacity()? {
                    Capacity::Unlimited => return Ok(()),
                    Capacity::Some => {
                        to_client(&mut wire);
                        return Ok(());
                    }
                    Capacity::None => wire.disconnected_at,
                }
            };
            match until {
                Some(at) => tokio::select! {
                    biased;
                    () = self.0.capacity_wake.notified() => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                None => self.0.capacity_wake.notified().await,
            }
        }
    }
}

/// The capacity for messages to the client.
enum Capacity {
    None,
    Some,
    /// Everything is accepted, and nothing arrives.
    Unlimited,
}

impl Wire {
    fn capacity(&self) -> Result<Capacity, PeerGone> {
        match self.network {
            _ if self.is_client_gone() => Err(PeerGone),
            Network::Silent => Ok(Capacity::Unlimited),
            _ if self.to_client.len() < self.queue_max => Ok(Capacity::Some),
            _ => Ok(Capacity::None),
        }
    }
}

impl DirectWrite for Link {
    /// At times the connection is full in the middle of a frame.
    fn write_now(&self, frames: &[IoSlice<'_>]) -> Result<usize, PeerGone> {
        let mut wire = self.wire();
        let frames: Vec<&[u8]> = frames.iter().map(|frame| &frame[..]).collect();
        let all = frames.iter().map(|frame| frame.len()).sum();
        match wire.capacity()? {
            Capacity::Unlimited => Ok(all),
            Capacity::None => Ok(0),
            Capacity::Some => {
                let bytes = if wire.random.one_in(4) {
                    wire.random.index(all + 1)
                } else {
                    all
                };
                wire.accept(&frames, bytes);
                Ok(bytes)
            }
        }
    }
}

impl FrameSink for LinkSink {
    async fn send(&mut self, frames: &mut Vec<Bytes>) -> Result<(), PeerGone> {
        let sent = self
            .put(|wire| {
                wire.accept(
                    &frames.iter().map(|frame| &frame[..]).collect::<Vec<_>>(),
                    usize::MAX,
                )
            })
            .await;
        frames.clear();
        sent
    }

    async fn close(&mut self, reason: CloseReason) {
        // An error means that the client has disconnected and needs no close frame.
        let _ = self
            .put(|wire| {
                assert!(
                    wire.incomplete.is_empty(),
                    "a close frame within another frame"
                );
                wire.enqueue(ServerMessage::Close(reason));
            })
            .await;
    }

    fn direct(&self) -> Option<Arc<dyn DirectWrite>> {
        self.0
            .wire()
            .direct
            .then(|| self.0.clone() as Arc<dyn DirectWrite>)
    }

    async fn writable(&mut self) -> Result<(), PeerGone> {
        self.put(|_| {}).await
    }
}

impl Drop for LinkSink {
    fn drop(&mut self) {
        self.0.wire().server_gone = true;
    }
}
