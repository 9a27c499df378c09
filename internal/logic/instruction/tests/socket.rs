//! A connection whose other end is a test: it says what it likes, stops reading when it likes, and keeps what it hears.

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

/// What a client has heard.
#[derive(Debug, Clone, PartialEq)]
enum Heard {
    Frame(Box<ServerFrame>),
    Closed(CloseReason),
}

/// How the client's side is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Reads,
    Stalls,
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
    /// From wherever it has something to say.
    Direct,
    /// From the connection's task alone.
    Task,
}

impl Way {
    pub(super) const ALL: [Self; 2] = [Self::Direct, Self::Task];
}

/// The server's writing half.
pub(super) struct Sink {
    ear: Arc<Ear>,
    mood: watch::Receiver<Mood>,
    way: Way,
}

/// What the client hears, however it is written.
#[derive(Debug)]
struct Ear {
    codec: Arc<TableCodec>,
    heard: Mutex<Vec<Heard>>,
    mood: watch::Receiver<Mood>,
}

impl Ear {
    fn hear(&self, heard: Heard) {
        self.heard.lock().expect("not poisoned").push(heard);
    }

    fn hear_frame(&self, message: &[u8]) {
        self.hear(Heard::Frame(Box::new(self.codec.frame(message))));
    }
}

impl DirectWrite for Ear {
    fn write_now(&self, frames: &[IoSlice<'_>]) -> Result<usize, PeerGone> {
        match *self.mood.borrow() {
            Mood::Gone => Err(PeerGone),
            Mood::Stalls => Ok(0),
            Mood::Reads => {
                frames.iter().for_each(|frame| self.hear_frame(frame));
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
            .for_each(|frame| self.ear.hear_frame(&frame));
        Ok(())
    }

    async fn close(&mut self, reason: CloseReason) {
        if self.writable().await.is_ok() {
            self.ear.hear(Heard::Closed(reason));
        }
    }

    fn direct(&self) -> Option<Arc<dyn DirectWrite>> {
        match self.way {
            Way::Direct => Some(self.ear.clone()),
            Way::Task => None,
        }
    }

    async fn writable(&mut self) -> Result<(), PeerGone> {
        let mood = *self
            .mood
            .wait_for(|mood| *mood != Mood::Stalls)
            .await
            .map_err(|_| PeerGone)?;
        if mood == Mood::Gone {
            Err(PeerGone)
        } else {
            Ok(())
        }
    }
}

/// The test's end of a connection.
pub(super) struct Client {
    codec: Arc<TableCodec>,
    ear: Arc<Ear>,
    mood: watch::Sender<Mood>,
    outgoing: Option<mpsc::Sender<Incoming>>,
    /// The server's task for this connection.
    pub(super) served: JoinHandle<()>,
}

impl Client {
    /// Connects to what `serve` does.
    pub(super) fn new(
        codec: Arc<TableCodec>,
        way: Way,
        serve: impl FnOnce(Source, Sink) -> JoinHandle<()>,
    ) -> Self {
        let (outgoing, incoming) = mpsc::channel(BACKLOG);
        let (mood, seen) = watch::channel(Mood::Reads);
        let ear = Arc::new(Ear {
            codec: codec.clone(),
            heard: Mutex::default(),
            mood: seen.clone(),
        });
        let sink = Sink {
            ear: ear.clone(),
            mood: seen,
            way,
        };
        Self {
            codec,
            ear,
            mood,
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

    /// Asks for something.
    pub(super) fn ask(&self, id: u32, command: Command) {
        self.ask_once(id, 0, command);
    }

    /// Asks for something with a nonce.
    pub(super) fn ask_once(&self, id: u32, nonce: u64, command: Command) {
        self.send_decoded(Decoded::Frame(ClientFrame { id, nonce, command }));
    }

    /// Says where it is; `x` tells one position from another.
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
        self.mood.send_replace(Mood::Stalls);
    }

    /// Reads again.
    pub(super) fn read(&self) {
        self.mood.send_replace(Mood::Reads);
    }

    /// Nothing can be written to it any more, and nothing comes.
    pub(super) fn vanish(&self) {
        self.mood.send_replace(Mood::Gone);
    }

    /// Closes its end.
    pub(super) fn hang_up(&mut self) {
        self.outgoing = None;
    }

    /// What it has heard since this was last asked, in short.
    pub(super) fn words(&self) -> Vec<String> {
        self.drain().iter().map(word).collect()
    }

    /// The frames among it.
    pub(super) fn frames(&self) -> Vec<ServerFrame> {
        let frame = |heard| match heard {
            Heard::Frame(frame) => Some(*frame),
            Heard::Closed(_) => None,
        };
        self.drain().into_iter().filter_map(frame).collect()
    }

    /// The welcome among what it has heard.
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

    fn drain(&self) -> Vec<Heard> {
        std::mem::take(&mut self.ear.heard.lock().expect("not poisoned"))
    }
}

fn word(heard: &Heard) -> String {
    let frame = match heard {
        Heard::Closed(reason) => return format!("closed {reason:?}"),
        Heard::Frame(frame) => frame,
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
