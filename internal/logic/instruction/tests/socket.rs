//! A connection whose other end is a test: it sends any input, stops and starts reading, and
//! records what it gets.

use super::codec::TableCodec;
use crate::instruction::connclient::{DirectWrite, FrameSink, FrameSource, Incoming, PeerGone};
use bytes::Bytes;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{
    Action, ActionKey, ActionValue, ClientFrame, CloseReason, Command, Decoded, Event, Notice,
    SentAction, ServerFrame, Statement, Welcome,
};
use std::io::IoSlice;
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Messages that may wait to be read by the server.
const BACKLOG: usize = 4096;

/// What a client has received.
#[derive(Debug, Clone, PartialEq)]
enum ReceivedFrame {
    Frame(Box<ServerFrame>),
    Closed(CloseReason),
}

/// Whether the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadMode {
    Reading,
    Stalled,
    Gone,
}

/// The server's reading half. When the test's half is dropped, the peer is gone.
pub(super) struct Source(mpsc::Receiver<Incoming>);

impl FrameSource for Source {
    async fn next(&mut self) -> Incoming {
        self.0.recv().await.unwrap_or(Incoming::Gone)
    }

    fn has_more(&self) -> bool {
        !self.0.is_empty()
    }

    async fn discard(&mut self) {
        while !matches!(self.next().await, Incoming::Gone) {}
    }
}

/// How the server may write to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From any task.
    Direct,
    /// Only from the connection's task.
    Task,
}

impl Way {
    pub(super) const ALL: [Self; 2] = [Self::Direct, Self::Task];
}

/// The server's writing half.
pub(super) struct Sink {
    received: Arc<Received>,
    mode: watch::Receiver<ReadMode>,
    way: Way,
}

/// What the client has received, from both ways of writing.
#[derive(Debug)]
struct Received {
    codec: Arc<TableCodec>,
    heard: Mutex<Vec<ReceivedFrame>>,
    mode: watch::Receiver<ReadMode>,
}

impl Received {
    fn record(&self, heard: ReceivedFrame) {
        self.heard.lock().expect("not poisoned").push(heard);
    }

    fn record_frame(&self, message: &[u8]) {
        self.record(ReceivedFrame::Frame(Box::new(self.codec.frame(message))));
    }
}

impl DirectWrite for Received {
    fn write_now(&self, frames: &[IoSlice<'_>]) -> Result<usize, PeerGone> {
        match *self.mode.borrow() {
            ReadMode::Gone => Err(PeerGone),
            ReadMode::Stalled => Ok(0),
            ReadMode::Reading => {
                frames.iter().for_each(|frame| self.record_frame(frame));
                Ok(frames.iter().map(|frame| frame.len()).sum())
            }
        }
    }
}

impl FrameSink for Sink {
    async fn send(&mut self, frames: &mut Vec<Bytes>) -> Result<(), PeerGone> {
        self.writable().await?;
        frames
            .drain(..)
            .for_each(|frame| self.received.record_frame(&frame));
        Ok(())
    }

    async fn close(&mut self, reason: CloseReason) {
        if self.writable().await.is_ok() {
            self.received.record(ReceivedFrame::Closed(reason));
        }
    }

    fn direct(&self) -> Option<Arc<dyn DirectWrite>> {
        match self.way {
            Way::Direct => Some(self.received.clone()),
            Way::Task => None,
        }
    }

    async fn writable(&mut self) -> Result<(), PeerGone> {
        let mode = *self
            .mode
            .wait_for(|mode| *mode != ReadMode::Stalled)
            .await
            .map_err(|_| PeerGone)?;
        if mode == ReadMode::Gone {
            Err(PeerGone)
        } else {
            Ok(())
        }
    }
}

/// The test's end of a connection.
pub(super) struct Client {
    codec: Arc<TableCodec>,
    received: Arc<Received>,
    mode: watch::Sender<ReadMode>,
    outgoing: Option<mpsc::Sender<Incoming>>,
    /// The server's task for this connection.
    pub(super) served: JoinHandle<()>,
}

impl Client {
    /// Connects to the server that `serve` starts.
    pub(super) fn new(
        codec: Arc<TableCodec>,
        way: Way,
        serve: impl FnOnce(Source, Sink) -> JoinHandle<()>,
    ) -> Self {
        let (outgoing, incoming) = mpsc::channel(BACKLOG);
        let (mode, seen) = watch::channel(ReadMode::Reading);
        let received = Arc::new(Received {
            codec: codec.clone(),
            heard: Mutex::default(),
            mode: seen.clone(),
        });
        let sink = Sink {
            received: received.clone(),
            mode: seen,
            way,
        };
        Self {
            codec,
            received,
            mode,
            outgoing: Some(outgoing),
            served: serve(Source(incoming), sink),
        }
    }

    pub(super) fn send(&self, incoming: Incoming) {
        let outgoing = self.outgoing.as_ref().expect("not hung up");
        outgoing.try_send(incoming).expect("room for it");
    }

    pub(super) fn send_decoded(&self, decoded: Decoded) {
        self.send(Incoming::Frame(self.codec.message(decoded)));
    }

    /// Sends a command.
    pub(super) fn ask(&self, id: u32, command: Command) {
        self.ask_once(id, 0, command);
    }

    /// Sends a command with a nonce.
    pub(super) fn ask_once(&self, id: u32, nonce: u64, command: Command) {
        self.send_decoded(Decoded::Frame(ClientFrame { id, nonce, command }));
    }

    /// Sends a position; `x` distinguishes it from others.
    pub(super) fn position(&self, key: &str, term: u32, x: f64) {
        let key = ActionKey::new(key, 32).expect("short");
        let value = ActionValue::Pointer { x, y: 0.0 };
        self.ask(
            0,
            Command::ActionSync(Action {
                file: None,
                key,
                term,
                value,
                size: 20,
            }),
        );
    }

    /// Stops reading.
    pub(super) fn stall(&self) {
        self.mode.send_replace(ReadMode::Stalled);
    }

    /// Reads again.
    pub(super) fn read(&self) {
        self.mode.send_replace(ReadMode::Reading);
    }

    /// Writes to it fail from now on.
    pub(super) fn vanish(&self) {
        self.mode.send_replace(ReadMode::Gone);
    }

    /// Closes its end.
    pub(super) fn hang_up(&mut self) {
        self.outgoing = None;
    }

    /// Short texts of what it has received since the last call.
    pub(super) fn words(&self) -> Vec<String> {
        self.drain().iter().map(word).collect()
    }

    /// The frames that it has received since the last call.
    pub(super) fn frames(&self) -> Vec<ServerFrame> {
        let frame = |heard| match heard {
            ReceivedFrame::Frame(frame) => Some(*frame),
            ReceivedFrame::Closed(_) => None,
        };
        self.drain().into_iter().filter_map(frame).collect()
    }

    /// The welcome that it has received.
    pub(super) fn welcome(&self) -> Welcome {
        let welcome = |frame: ServerFrame| match frame.statement {
            Statement::Notice(Notice::Welcome(welcome)) => Some(*welcome),
            _ => None,
        };
        self.frames()
            .into_iter()
            .find_map(welcome)
            .expect("a welcome")
    }

    fn drain(&self) -> Vec<ReceivedFrame> {
        std::mem::take(&mut self.received.heard.lock().expect("not poisoned"))
    }
}

fn word(heard: &ReceivedFrame) -> String {
    let frame = match heard {
        ReceivedFrame::Closed(reason) => return format!("closed {reason:?}"),
        ReceivedFrame::Frame(frame) => frame,
    };
    match &frame.statement {
        Statement::Event(event) => format!("{} {}", frame.seq, event_name(event)),
        Statement::Notice(notice) => notice_word(notice),
    }
}

fn notice_word(notice: &Notice) -> String {
    match notice {
        Notice::Welcome(welcome) if welcome.snapshot.is_some() => {
            format!("welcome at {}", welcome.seq)
        }
        Notice::Welcome(welcome) => format!("resumed at {}", welcome.seq),
        Notice::Ack { id, seq } => format!("ack {id} at {seq}"),
        Notice::Nack { id, code, .. } => refusal(*id, *code),
        Notice::SysHeart { .. } => "sysHeart".into(),
        Notice::TokenRenewed { .. } => "tokenRenewed".into(),
        Notice::NumberCodeChange { expires_at: None } => "no numberCode".into(),
        Notice::NumberCodeChange { .. } => "numberCodeChange".into(),
        Notice::MemberKnock(knock) => format!("memberKnock {:?}", knock.state),
        Notice::ActionSync(sent) => position_word(sent),
    }
}

pub(super) fn refusal(id: u32, code: ErrorCode) -> String {
    format!("nack {id} {code}")
}

fn position_word(SentAction { from, action }: &SentAction) -> String {
    match action.value {
        ActionValue::Pointer { x, .. } => format!("{} of {from} is {x}", action.key.as_str()),
        _ => "another position".into(),
    }
}

const fn event_name(event: &Event) -> &'static str {
    match event {
        Event::MemberJoin(_) => "memberJoin",
        Event::MemberChange(_) => "memberChange",
        Event::Quit { .. } => "quit",
        Event::HttpQuit { .. } => "httpQuit",
        Event::FollowMe { .. } => "followMe",
        Event::CancelFollowMe => "cancelFollowMe",
        Event::FollowOther { .. } => "followOther",
        Event::CancelFollow { .. } => "cancelFollow",
        Event::FollowChange { .. } => "followChange",
        Event::SessionAutoEnd(_) => "sessionAutoEnd",
        Event::CancelAutoEnd => "cancelAutoEnd",
        Event::SessEnd { .. } => "sessEnd",
        Event::SessionChange(_) => "sessionChange",
    }
}
