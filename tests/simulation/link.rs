//! One simulated connection. Frames arrive late and in order; the line may be cut, die silently, or end at a peer that stops reading.

use crate::bug::Bug;
use crate::chance::Chance;
use bytes::Bytes;
use faceshare_biz::domain::instruction::CloseReason;
use faceshare_logic::instruction::connclient::{DirectWrite, FrameSink, FrameSource, Incoming, PeerGone};
use std::collections::VecDeque;
use std::io::IoSlice;
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
    /// The server may write from wherever it has something to say, and is told how much went.
    direct: bool,
    /// The beginning of a frame of which the rest has not been written.
    begun: Vec<u8>,
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

    /// Takes so many bytes of these frames; what is whole goes on its way, in one batch.
    fn take(&mut self, frames: &[&[u8]], mut bytes: usize) {
        let mut whole = Vec::new();
        for frame in frames {
            let taken = bytes.min(frame.len());
            self.begun.extend_from_slice(&frame[..taken]);
            bytes -= taken;
            if taken < frame.len() {
                break;
            }
            whole.push(std::mem::take(&mut self.begun).into());
        }
        if !whole.is_empty() {
            let whole = self.doubled(whole);
            self.put_down(Down::Batch(whole));
        }
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
        let direct = !chance.one_in(3);
        let wire = Wire {
            chance,
            bug,
            line: Line::Whole,
            latency,
            room,
            direct,
            begun: Vec::new(),
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

    fn has_more(&self) -> bool {
        self.0.wire().up.front().is_some_and(|(at, _)| *at <= Instant::now())
    }

    async fn discard(&mut self) {
        while self.next().await != Incoming::Gone {}
    }
}

/// The server's writing half.
pub(crate) struct Sink(pub(crate) Arc<Link>);

impl Sink {
    /// Waits until there is room, and puts it on the line.
    async fn put(&self, down: impl FnOnce(&mut Wire)) -> Result<(), PeerGone> {
        loop {
            let until = {
                let mut wire = self.0.wire();
                match wire.room_for_server()? {
                    Room::Endless => return Ok(()),
                    Room::Some => {
                        down(&mut wire);
                        return Ok(());
                    }
                    Room::None => wire.hung_up,
                }
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

/// How much more goes on the line to the client.
enum Room {
    None,
    Some,
    /// And nothing of it arrives.
    Endless,
}

impl Wire {
    fn room_for_server(&self) -> Result<Room, PeerGone> {
        match self.line {
            _ if self.client_is_gone() => Err(PeerGone),
            Line::Silent => Ok(Room::Endless),
            _ if self.down.len() < self.room => Ok(Room::Some),
            _ => Ok(Room::None),
        }
    }
}

impl DirectWrite for Link {
    /// Now and then the line is full in the middle of a frame.
    fn write_now(&self, frames: &[IoSlice<'_>]) -> Result<usize, PeerGone> {
        let mut wire = self.wire();
        let frames: Vec<&[u8]> = frames.iter().map(|frame| &frame[..]).collect();
        let all = frames.iter().map(|frame| frame.len()).sum();
        match wire.room_for_server()? {
            Room::Endless => Ok(all),
            Room::None => Ok(0),
            Room::Some => {
                let bytes = if wire.chance.one_in(4) { wire.chance.index(all + 1) } else { all };
                wire.take(&frames, bytes);
                Ok(bytes)
            }
        }
    }
}

impl FrameSink for Sink {
    async fn send(&mut self, frames: &mut Vec<Bytes>) -> Result<(), PeerGone> {
        let sent = self.put(|wire| wire.take(&frames.iter().map(|frame| &frame[..]).collect::<Vec<_>>(), usize::MAX)).await;
        frames.clear();
        sent
    }

    async fn close(&mut self, reason: CloseReason) {
        // Whoever is gone needs no goodbye.
        let _ = self
            .put(|wire| {
                assert!(wire.begun.is_empty(), "a goodbye within a frame");
                wire.put_down(Down::Close(reason));
            })
            .await;
    }

    fn direct(&self) -> Option<Arc<dyn DirectWrite>> {
        self.0.wire().direct.then(|| self.0.clone() as Arc<dyn DirectWrite>)
    }

    async fn writable(&mut self) -> Result<(), PeerGone> {
        self.put(|_| {}).await
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.0.wire().server_gone = true;
    }
}
