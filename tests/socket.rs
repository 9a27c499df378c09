//! A client of the instruction stream that does nothing by itself.
//!
//! Frames come out as JSON in both subprotocols, so that a test says what it expects once.

use faceshare_api::v1::{ClientFrame, ServerFrame};
use futures_util::{SinkExt, StreamExt};
use prost::Message as _;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::shape::assert_times_and_ids;
use crate::{DEADLINE, Format};

/// Frames that come when they will, and that [`Socket::next`] passes over.
const UNPROMPTED: [&str; 3] = ["sysHeart", "tokenRenewed", "numberCodeChange"];

/// How the session token travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// In `Authorization: Bearer`.
    Header,
    /// As a second subprotocol entry, as browsers must.
    Subprotocol,
}

/// What a socket brings.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A frame.
    Frame(Value),
    /// The end, with the close code; 1006 when the peer went without one.
    Closed(u16),
}

/// One connection.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    format: Format,
    next_id: u32,
    /// Whether it answers heartbeats while it is read from.
    pub answers_hearts: bool,
    /// The `welcome` it began with.
    pub welcome: Value,
    /// The last ordered seq it saw.
    pub seq: u64,
    /// Every ordered frame it saw, in order.
    pub log: Vec<Value>,
}

/// The answer to an instruction, and what came before it.
#[derive(Debug)]
pub struct Answered {
    /// The whole frame that answers.
    pub answer: Value,
    /// The frames that came between the instruction and its answer.
    pub before: Vec<Value>,
}

/// The name of a frame's instruction.
///
/// # Panics
/// When there is not exactly one.
#[must_use]
pub fn name(frame: &Value) -> &str {
    let fields = frame
        .as_object()
        .unwrap_or_else(|| panic!("no object: {frame}"));
    let mut names = fields
        .keys()
        .filter(|name| !matches!(name.as_str(), "seq" | "at" | "from"));
    let name = names
        .next()
        .unwrap_or_else(|| panic!("no instruction in {frame}"));
    assert!(names.next().is_none(), "two instructions in {frame}");
    name
}

/// The frame's seq; 0 when it is not ordered.
#[must_use]
pub fn seq(frame: &Value) -> u64 {
    frame["seq"].as_u64().unwrap_or_default()
}

/// The handshake for `url` (a `websocketUrl`, with a query perhaps) and a session token.
///
/// # Panics
/// When the URL is none.
#[must_use]
pub fn handshake(url: &str, format: Format, token: &str, credential: Credential) -> Request {
    let mut request = url.into_client_request().expect("a WebSocket URL");
    let header = |text: String| HeaderValue::try_from(text).expect("a header");
    let protocols = match credential {
        Credential::Header => {
            request
                .headers_mut()
                .insert("authorization", header(format!("Bearer {token}")));
            format.subprotocol().to_owned()
        }
        Credential::Subprotocol => format!("{}, bearer.{token}", format.subprotocol()),
    };
    request
        .headers_mut()
        .insert("sec-websocket-protocol", header(protocols));
    request
}

/// The query that resumes after `seq` of `epoch`.
#[must_use]
pub fn resume(url: &str, epoch: &str, seq: u64) -> String {
    format!("{url}?epoch={epoch}&seq={seq}")
}

/// A frame of the server, as JSON.
///
/// # Panics
/// When it is none. In JSON the text must be exactly the canonical one: read and written again it says the same, defaults left out.
#[must_use]
pub fn decode(format: Format, message: &[u8]) -> Value {
    if format == Format::Proto {
        let frame = ServerFrame::decode(message).expect("a ServerFrame in protobuf");
        return serde_json::to_value(frame).expect("a frame has a JSON form");
    }
    let text = std::str::from_utf8(message).expect("UTF-8");
    let value: Value = serde_json::from_str(text).expect("JSON");
    let frame: ServerFrame =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"));
    assert_eq!(
        serde_json::to_value(frame).expect("a frame has a JSON form"),
        value,
        "not canonical: {text}"
    );
    assert_times_and_ids(&value);
    value
}

/// A client's frame, given in JSON, as it goes over the wire.
///
/// # Panics
/// When protobuf cannot say it.
#[must_use]
pub fn encode(format: Format, frame: &Value) -> Message {
    match format {
        Format::Json => Message::text(frame.to_string()),
        Format::Proto => {
            let frame: ClientFrame = serde_json::from_value(frame.clone()).expect("a ClientFrame");
            Message::binary(frame.encode_to_vec())
        }
    }
}

impl Socket {
    /// Connects with the token in the header, and reads `welcome`.
    pub async fn connect(url: &str, format: Format, token: &str) -> Self {
        Self::open(handshake(url, format, token, Credential::Header), format).await
    }

    /// Makes the handshake, and reads `welcome`, which must be the first frame.
    ///
    /// # Panics
    /// When anything else comes.
    pub async fn open(request: Request, format: Format) -> Self {
        let mut socket = Self::upgrade(request, format).await;
        let welcome = match socket.event().await {
            Event::Frame(frame) if name(&frame) == "welcome" => frame["welcome"].clone(),
            other => panic!("not a welcome: {other:?}"),
        };
        socket.welcome = welcome;
        socket.seq = socket.welcome["seq"].as_u64().unwrap_or_default();
        socket
    }

    /// Makes the handshake alone.
    ///
    /// # Panics
    /// When it is refused, or another subprotocol comes back than was asked for.
    pub async fn upgrade(request: Request, format: Format) -> Self {
        let connected = timeout(DEADLINE, connect_async(request))
            .await
            .expect("the handshake ends in time");
        let (stream, response) =
            connected.unwrap_or_else(|error| panic!("the handshake failed: {error:?}"));
        assert_eq!(
            response.headers()["sec-websocket-protocol"],
            format.subprotocol()
        );
        Self {
            stream,
            format,
            next_id: 1,
            answers_hearts: false,
            welcome: Value::Null,
            seq: 0,
            log: Vec::new(),
        }
    }

    /// Its member's id.
    #[must_use]
    pub fn member(&self) -> &str {
        self.welcome["self"]["memberId"]
            .as_str()
            .expect("welcome names the member")
    }

    /// The epoch it is in.
    #[must_use]
    pub fn epoch(&self) -> &str {
        self.welcome["epoch"]
            .as_str()
            .expect("welcome names the epoch")
    }

    /// What comes next, whatever it is. Ordered frames are counted and kept.
    ///
    /// # Panics
    /// When nothing comes before the deadline, or a frame breaks the encoding or leaves a gap in seq.
    pub async fn event(&mut self) -> Event {
        let event = timeout(DEADLINE, self.read()).await;
        let event = event.unwrap_or_else(|_| {
            panic!(
                "nothing came; the last ordered frames are {:#?}",
                self.last_frames()
            )
        });
        if let Event::Frame(frame) = &event
            && seq(frame) > 0
        {
            assert_eq!(seq(frame), self.seq + 1, "a gap or a repeat before {frame}");
            self.seq = seq(frame);
            self.log.push(frame.clone());
        }
        if let Event::Frame(frame) = &event
            && self.answers_hearts
            && name(frame) == "sysHeart"
        {
            let answer =
                json!({"ackHeart": {"sentAt": frame["sysHeart"]["sentAt"], "lastSeq": self.seq}});
            self.send(&answer).await;
        }
        event
    }

    /// What comes next, without a look at its seq: for a connection that does not begin with `welcome`.
    pub async fn unchecked_event(&mut self) -> Event {
        timeout(DEADLINE, self.read())
            .await
            .expect("something comes in time")
    }

    fn last_frames(&self) -> &[Value] {
        &self.log[self.log.len().saturating_sub(3)..]
    }

    async fn read(&mut self) -> Event {
        loop {
            match self.stream.next().await {
                Some(Ok(message @ (Message::Binary(_) | Message::Text(_)))) => {
                    assert_eq!(
                        message.is_binary(),
                        self.format == Format::Proto,
                        "the wrong kind of message"
                    );
                    return Event::Frame(decode(self.format, &message.into_data()));
                }
                Some(Ok(Message::Close(Some(close)))) => return Event::Closed(close.code.into()),
                Some(Ok(Message::Close(None))) => return Event::Closed(1005),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Event::Closed(1006),
            }
        }
    }

    /// The next frame but heartbeats and the like.
    ///
    /// # Panics
    /// When the socket closes instead.
    pub async fn next(&mut self) -> Value {
        loop {
            match self.event().await {
                Event::Frame(frame) if UNPROMPTED.contains(&name(&frame)) => {}
                Event::Frame(frame) => return frame,
                Event::Closed(code) => panic!(
                    "closed with {code}; the last ordered frames are {:#?}",
                    self.last_frames()
                ),
            }
        }
    }

    /// The next frame, which must be this instruction.
    pub async fn expect(&mut self, instruction: &str) -> Value {
        let frame = self.next().await;
        assert_eq!(name(&frame), instruction, "{frame}");
        frame
    }

    /// The next of these instructions; what comes before it is passed over.
    pub async fn until(&mut self, instruction: &str) -> Value {
        self.until_matching(|frame| name(frame) == instruction)
            .await
    }

    /// The next frame of which `wanted` is true; what comes before it is passed over.
    pub async fn until_matching(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            match self.event().await {
                Event::Frame(frame) if wanted(&frame) => return frame,
                Event::Frame(_) => {}
                Event::Closed(code) => panic!(
                    "closed with {code}; the last ordered frames are {:#?}",
                    self.last_frames()
                ),
            }
        }
    }

    /// Reads until every ordered frame up to `head` was seen.
    pub async fn catch_up(&mut self, head: u64) {
        while self.seq < head {
            self.next().await;
        }
    }

    /// Reads to the end: the close code, and the frames before it.
    pub async fn close(&mut self) -> (u16, Vec<Value>) {
        let mut frames = Vec::new();
        loop {
            match self.event().await {
                Event::Closed(code) => return (code, frames),
                Event::Frame(frame) if UNPROMPTED.contains(&name(&frame)) => {}
                Event::Frame(frame) => frames.push(frame),
            }
        }
    }

    /// The next thing must be a close with this code.
    pub async fn expect_close(&mut self, code: u16) {
        let (closed, frames) = self.close().await;
        assert_eq!((closed, frames), (code, Vec::new()));
    }

    /// Sends a client frame as it stands in JSON.
    pub async fn send(&mut self, frame: &Value) {
        self.send_raw(encode(self.format, frame)).await;
    }

    /// Sends anything. That the peer has gone is not an error: what it said last is still to be read.
    pub async fn send_raw(&mut self, message: Message) {
        match timeout(DEADLINE, self.stream.send(message))
            .await
            .expect("it is sent in time")
        {
            Ok(())
            | Err(
                Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_),
            ) => {}
            Err(error) => panic!("not sent: {error}"),
        }
    }

    /// Sends an instruction under an id of its own, which it gives.
    pub async fn instruct(&mut self, instruction: Value) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        let mut frame = json!({"id": id});
        frame
            .as_object_mut()
            .expect("an object")
            .extend(instruction.as_object().expect("an object").clone());
        self.send(&frame).await;
        id
    }

    /// Sends an instruction and reads until it is answered.
    pub async fn ask(&mut self, instruction: Value) -> Answered {
        let id = self.instruct(instruction).await;
        self.answer(id).await
    }

    /// Reads until the instruction with this id is answered.
    pub async fn answer(&mut self, id: u32) -> Answered {
        let mut before = Vec::new();
        loop {
            let frame = self.next().await;
            if frame["ack"]["id"] == id || frame["nack"]["id"] == id {
                return Answered {
                    answer: frame,
                    before,
                };
            }
            before.push(frame);
        }
    }

    /// Sends an instruction that must be taken; gives the seq of its frame, all of whose consequences have come before the answer.
    pub async fn acked(&mut self, instruction: Value) -> u64 {
        self.ask(instruction).await.ack()
    }

    /// Sends an instruction that must be refused with this code, and must have no consequence.
    pub async fn refused(&mut self, instruction: Value, code: &str) {
        let answered = self.ask(instruction.clone()).await;
        assert_eq!(
            answered.answer["nack"]["code"], code,
            "{instruction} → {}",
            answered.answer
        );
        // What others did meanwhile may stand before the answer; nothing of it is this member's doing.
        let consequences = answered
            .before
            .iter()
            .filter(|frame| seq(frame) > 0 && frame["from"] == json!(self.member()));
        assert_eq!(
            consequences.count(),
            0,
            "{instruction} → {:?}",
            answered.before
        );
    }

    /// Cuts the connection without a word.
    pub fn cut(self) {
        drop(self);
    }
}

impl Answered {
    /// The seq of an `ack`.
    ///
    /// # Panics
    /// When it is a `nack`.
    pub fn ack(&self) -> u64 {
        assert_eq!(name(&self.answer), "ack", "{}", self.answer);
        self.answer["ack"]["seq"].as_u64().unwrap_or_default()
    }
}
