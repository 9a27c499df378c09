//! A client of the instruction stream that does nothing by itself.
//!
//! It returns frames as JSON in both subprotocols, so that a test states its expectation once.

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

/// Frames that come at any time and that [`Socket::next`] skips.
const UNPROMPTED: [&str; 3] = ["sysHeart", "tokenRenewed", "numberCodeChange"];

/// How the session token is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// In `Authorization: Bearer`.
    Header,
    /// As a second subprotocol entry, as browsers must.
    Subprotocol,
}

/// What a socket receives.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A frame.
    Frame(Value),
    /// The close code, or 1006 when the connection ended without a close frame.
    Closed(u16),
}

/// One connection.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    format: Format,
    next_id: u32,
    /// Whether it answers heartbeats while the test reads from it.
    pub answers_hearts: bool,
    /// The first frame, `welcome`.
    pub welcome: Value,
    /// The last ordered seq that it received.
    pub seq: u64,
    /// Every ordered frame that it received, in order.
    pub log: Vec<Value>,
}

/// The answer to an instruction, and the frames before it.
#[derive(Debug)]
pub struct Answered {
    /// The whole frame with the `ack` or `nack`.
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

/// The handshake request for `url` (a `websocketUrl`, possibly with a query) and a session token.
///
/// # Panics
/// When `url` is not a URL.
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

/// `url` with the query that resumes after `seq` of `epoch`.
#[must_use]
pub fn resume(url: &str, epoch: &str, seq: u64) -> String {
    format!("{url}?epoch={epoch}&seq={seq}")
}

/// A frame of the server, as JSON.
///
/// # Panics
/// When it does not decode. A JSON text must be canonical: decoded and encoded again it is the
/// same, without default values.
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

/// Encodes a client's frame, given in JSON, for the wire.
///
/// # Panics
/// When it is not a frame of the protocol.
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

    /// Connects and reads `welcome`, which must be the first frame.
    ///
    /// # Panics
    /// When another frame comes first.
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

    /// Connects without reading.
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

    /// The next event. Ordered frames are checked and kept.
    ///
    /// # Panics
    /// When no event comes before the deadline, or a frame breaks the encoding or leaves a gap in
    /// seq.
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

    /// The next event without a check of its seq, for a connection that does not start with
    /// `welcome`.
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

    /// The next frame, except heartbeats and other frames that come at any time.
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

    /// The next frame of this instruction. It skips other frames.
    pub async fn until(&mut self, instruction: &str) -> Value {
        self.until_matching(|frame| name(frame) == instruction)
            .await
    }

    /// The next frame for which `wanted` is true. It skips other frames.
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

    /// Reads until it has received every ordered frame up to `head`.
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

    /// The next event must be a close with this code.
    pub async fn expect_close(&mut self, code: u16) {
        let (closed, frames) = self.close().await;
        assert_eq!((closed, frames), (code, Vec::new()));
    }

    /// Sends a client frame given in JSON.
    pub async fn send(&mut self, frame: &Value) {
        self.send_raw(encode(self.format, frame)).await;
    }

    /// Sends a raw message. A closed connection is not an error, because the last frames can still
    /// be read.
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

    /// Sends an instruction with a new id. Returns the id.
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

    /// Sends an instruction that must be acknowledged. Returns the seq of its frame; all frames
    /// that it caused have come before the answer.
    pub async fn acked(&mut self, instruction: Value) -> u64 {
        self.ask(instruction).await.ack()
    }

    /// Sends an instruction that must be refused with this code and must cause no frame.
    pub async fn refused(&mut self, instruction: Value, code: &str) {
        let answered = self.ask(instruction.clone()).await;
        assert_eq!(
            answered.answer["nack"]["code"], code,
            "{instruction} → {}",
            answered.answer
        );
        // Frames of other members may come before the answer, but none of this member.
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

    /// Drops the connection without a close frame.
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
