//! One simulated connection. Frames arrive late and in order; the line may be cut, die silently, or end at a peer that stops reading.

use crate::bug::Bug;
use crate::chance::Chance;
use bytes::Bytes;
use faceshare_biz::domain::instruction::CloseReason;
use faceshare_logic::instruction::connclient::{FrameSink, FrameSource, Incoming, PeerGone};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How the line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Whole,
    /// Half-open: both ends believe in it, and nothing comes through.
    Silent,
    Cut,
}

/// On its way to the client.
#[derive(Debug)]
enum Down {
    Batch(Vec<Bytes>),
    Close(CloseReason),
}

/// What a client finds when it looks.
#[derive(Debug)]
pub(crate) enum Received {
    /// Frames, as the server wrote them in one go.
    Batch(Vec<Bytes>),
    /// The server said goodbye.
    Closed(CloseReason),
    /// The connection is gone without a word.
    Lost,
}

/// Both ends of a connection and what is between them.
#[derive(Debug)]
pub(crate) struct Link {
    wire: Mutex<Wire>,
    to_server: Notify,
    room_for_client: Notify,
}

#[derive(Debug)]
struct Wire {
    chance: Chance,
    bug: Bug,
    line: Line,
    /// The longest that a frame takes, in milliseconds.
    latency: u64,
    /// Batches that may be under way to the client.
    room: usize,
    /// The client does not read.
    stalled: bool,
    up: VecDeque<(Instant, Bytes)>,
    down: VecDeque<(Instant, Down)>,
    last_up: Instant,
    last_down: Instant,
    /// When the server learns that the client has hung up.
    hung_up: Option<Instant>,
    server_gone: bool,
}

impl Wire {
    fn arrival(&mut self, last: Instant) -> Instant {
        (Instant::now() + self.chance.millis(0, self.latency)).max(last)
    }

    fn client_is_gone(&self) -> bool {
        self.line == Line::Cut || self.hung_up.is_some_and(|at| at <= Instant::now())
    }

    fn put_down(&mut self, down: Down) {
        self.last_down = self.arrival(self.last_down);
        self.down.push_back((self.last_down, down));
    }

    /// The planted bug: an ordered frame comes twice.
    fn doubled(&mut self, mut frames: Vec<Bytes>) -> Vec<Bytes> {
        if self.bug == Bug::DoubleDelivery && self.chance.one_in(20) {
            let at = self.chance.index(frames.len());
            let frame = frames[at].clone();
            frames.insert(at, frame);
        }
        frames
    }
}

impl Link {
    pub(crate) fn new(mut chance: Chance, latency: u64, bug: Bug) -> Arc<Self> {
        let now = Instant::now();
        let room = 1 + chance.index(8);
        let wire = Wire {
            chance,
            bug,
            line: Line::Whole,
            latency,
            room,
            stalled: false,
            up: VecDeque::new(),
            down: VecDeque::new(),
            last_up: now,
            last_down: now,
            hung_up: None,
            server_gone: false,
        };
        Arc::new(Self { wire: Mutex::new(wire), to_server: Notify::new(), room_for_client: Notify::new() })
    }

    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().expect("invariant: nothing panics while it holds the wire")
    }

    fn wake_both(&self) {
        self.to_server.notify_one();
        self.room_for_client.notify_one();
    }

    /// The line breaks; of what is under way, a part still arrives.
    pub(crate) fn cut(&self) {
        {
            let mut wire = self.wire();
            let (up, down) = (wire.up.len() as u64, wire.down.len() as u64);
            let (up, down) = (wire.chance.below(up + 1), wire.chance.below(down + 1));
            wire.up.truncate(usize::try_from(up).unwrap_or(0));
            wire.down.truncate(usize::try_from(down).unwrap_or(0));
            wire.line = Line::Cut;
        }
        self.wake_both();
    }

    /// The line dies, and neither end notices.
    pub(crate) fn silence(&self) {
        let mut wire = self.wire();
        wire.line = Line::Silent;
        wire.up.clear();
        wire.down.clear();
        drop(wire);
        self.wake_both();
    }

    /// The client leaves; the server learns of it after a while.
    pub(crate) fn hang_up(&self, after: Duration) {
        self.wire().hung_up.get_or_insert(Instant::now() + after);
        self.wake_both();
    }

    /// Whether the client reads.
    pub(crate) fn set_stalled(&self, stalled: bool) {
        self.wire().stalled = stalled;
        self.room_for_client.notify_one();
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.wire().stalled
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.wire().line == Line::Silent
    }

    /// The client says something.
    pub(crate) fn send(&self, message: Bytes) {
        {
            let mut wire = self.wire();
            if wire.line != Line::Whole {
                return;
            }
            let last = wire.last_up;
            let at = wire.arrival(last);
            wire.last_up = at;
            wire.up.push_back((at, message));
        }
        self.to_server.notify_one();
    }

    /// Reads what has arrived and forgets it; `false`: nothing will come any more.
    pub(crate) fn throw_away(&self) -> bool {
        loop {
            match self.receive() {
                None => return !self.is_silent(),
                Some(Received::Lost) => return false,
                Some(_) => {}
            }
        }
    }

    /// What has arrived at the client and was not looked at yet.
    pub(crate) fn receive(&self) -> Option<Received> {
        let mut wire = self.wire();
        if wire.stalled || wire.line == Line::Silent {
            return None;
        }
        if wire.down.front().is_some_and(|(at, _)| *at <= Instant::now()) {
            let (_, down) = wire.down.pop_front()?;
            drop(wire);
            self.room_for_client.notify_one();
            return Some(match down {
                Down::Batch(frames) => Received::Batch(frames),
                Down::Close(reason) => Received::Closed(reason),
            });
        }
        (wire.down.is_empty() && (wire.server_gone || wire.line == Line::Cut)).then_some(Received::Lost)
    }
}

/// The server's reading half.
pub(crate) struct Source(pub(crate) Arc<Link>);

impl FrameSource for Source {
    async fn next(&mut self) -> Incoming {
        loop {
            let until = {
                let mut wire = self.0.wire();
                let now = Instant::now();
                match wire.up.front() {
                    Some((at, _)) if *at <= now => {
                        return wire.up.pop_front().map_or(Incoming::Gone, |(_, message)| Incoming::Frame(message));
                    }
                    Some((at, _)) => Some(*at),
                    None if wire.client_is_gone() => return Incoming::Gone,
                    None => wire.hung_up,
                }
            };
            match until {
                Some(at) => tokio::select! {
                    biased;
                    () = self.0.to_server.notified() => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                None => self.0.to_server.notified().await,
            }
        }
    }

    async fn discard(&mut self) {
        while self.next().await != Incoming::Gone {}
    }
}

/// The server's writing half.
pub(crate) struct Sink(pub(crate) Arc<Link>);

impl Sink {
    /// Waits until there is room, and puts it on the line.
    async fn put(&self, down: impl FnOnce(&mut Wire) -> Down) -> Result<(), PeerGone> {
        loop {
            let until = {
                let mut wire = self.0.wire();
                if wire.client_is_gone() {
                    return Err(PeerGone);
                }
                if wire.line == Line::Silent {
                    return Ok(());
                }
                if wire.down.len() < wire.room {
                    let down = down(&mut wire);
                    wire.put_down(down);
                    return Ok(());
                }
                wire.hung_up
            };
            match until {
                Some(at) => tokio::select! {
                    biased;
                    () = self.0.room_for_client.notified() => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                None => self.0.room_for_client.notified().await,
            }
        }
    }
}

impl FrameSink for Sink {
    async fn send(&mut self, frames: &mut Vec<Bytes>) -> Result<(), PeerGone> {
        let sent = self.put(|wire| Down::Batch(wire.doubled(frames.clone()))).await;
        frames.clear();
        sent
    }

    async fn close(&mut self, reason: CloseReason) {
        // Whoever is gone needs no goodbye.
        let _ = self.put(|_| Down::Close(reason)).await;
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.0.wire().server_gone = true;
    }
}
