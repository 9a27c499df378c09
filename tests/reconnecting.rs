//! A client on a bad network: it loses its connection, resumes, and sends unanswered instructions
//! again.
//!
//! It resumes after every close code that allows it, as the contract asks. It checks what it
//! receives: the first frame after a resume is the one after the last it received, and no frame
//! comes twice.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::event_log::EventLog;
use crate::meeting::Meeting;
use crate::socket::{Credential, encode, handshake, name, resume, seq};
use crate::{DEADLINE, Format};

/// Close codes after which a client resumes.
const RESUMABLE: [u16; 7] = [1001, 1005, 1006, 1011, 1012, 1013, 4008];
/// Pause between two attempts to connect.
const BACKOFF: Duration = Duration::from_millis(50);

/// One point of a member, over all its connections.
#[derive(Debug)]
pub struct ReconnectingClient {
    url: String,
    token: String,
    format: Format,
    credential: Credential,
    event_log: Arc<EventLog>,
    stream: Option<WebSocketStream<MaybeTlsStream<TcpStream>>>,
    /// The member's id; empty before the first connection.
    pub member: String,
    epoch: String,
    /// The last ordered seq that it received.
    pub seq: u64,
    /// How often it has connected.
    pub connections: u32,
    next_id: u32,
}

/// What came from the connection.
#[derive(Clone, Debug)]
pub enum Received {
    /// A frame.
    Frame(Arc<Value>),
    /// The end of the connection, after which the client may resume.
    Lost,
}

impl ReconnectingClient {
    /// A member of the meeting, not yet connected.
    #[must_use]
    pub fn new(meeting: &Meeting, index: usize, format: Format, event_log: &Arc<EventLog>) -> Self {
        Self {
            url: meeting.websocket_url.clone(),
            token: meeting.tokens[index].clone(),
            format,
            credential: if index % 4 < 2 {
                Credential::Header
            } else {
                Credential::Subprotocol
            },
            event_log: event_log.clone(),
            stream: None,
            member: String::new(),
            epoch: String::new(),
            seq: 0,
            connections: 0,
            next_id: 1,
        }
    }

    /// Connects or resumes. It retries until it succeeds, because the server may be restarting.
    ///
    /// # Panics
    /// When it does not succeed before the deadline, is refused with another status than 503, or
    /// the server does not resume.
    pub async fn connect(&mut self) {
        let attempts = async {
            while self.try_connect().await.is_none() {
                tokio::time::sleep(BACKOFF).await;
            }
        };
        timeout(DEADLINE, attempts)
            .await
            .unwrap_or_else(|_| panic!("cannot connect again"));
    }

    async fn try_connect(&mut self) -> Option<()> {
        self.stream = None;
        let url = if self.connections == 0 {
            self.url.clone()
        } else {
            resume(&self.url, &self.epoch, self.seq)
        };
        let request = handshake(&url, self.format, &self.token, self.credential);
        let (mut stream, _) = match connect_async(request).await {
            Ok(connected) => connected,
            Err(Error::Http(answer)) if answer.status() != 503 => panic!("refused: {answer:?}"),
            Err(_) => return None,
        };
        let message = match stream.next().await? {
            Ok(message @ (Message::Binary(_) | Message::Text(_))) => message,
            Ok(Message::Close(close)) => {
                let code = close.map_or(1005, |close| close.code.into());
                assert!(
                    RESUMABLE.contains(&code),
                    "closed with {code} instead of a welcome"
                );
                return None;
            }
            Ok(_) | Err(_) => return None,
        };
        let frame = self.event_log.read(self.format, &message.into_data());
        let welcome = &frame["welcome"];
        assert!(welcome.is_object(), "not a welcome: {frame}");
        let epoch = welcome["epoch"].as_str().expect("welcome names the epoch");
        if self.connections == 0 {
            self.member = welcome["self"]["memberId"]
                .as_str()
                .expect("welcome names the member")
                .to_owned();
            self.seq = welcome["seq"].as_u64().unwrap_or_default();
            epoch.clone_into(&mut self.epoch);
        } else {
            assert_eq!(
                (&welcome["resumed"], epoch),
                (&json!(true), self.epoch.as_str()),
                "not resumed at {}: {frame}",
                self.seq
            );
        }
        self.connections += 1;
        self.stream = Some(stream);
        Some(())
    }

    /// Waits for the next frame or the end of the connection, without a deadline. Cancel safe. It
    /// answers heartbeats.
    ///
    /// # Panics
    /// When a frame is missing or repeated, or the close code forbids a resume.
    pub async fn next(&mut self) -> Received {
        loop {
            let Some(stream) = &mut self.stream else {
                return Received::Lost;
            };
            let message = match stream.next().await {
                Some(Ok(message @ (Message::Binary(_) | Message::Text(_)))) => message,
                Some(Ok(Message::Close(close))) => {
                    let code = close.map_or(1005, |close| close.code.into());
                    assert!(
                        RESUMABLE.contains(&code),
                        "closed with {code} at {}",
                        self.seq
                    );
                    self.stream = None;
                    return Received::Lost;
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => {
                    self.stream = None;
                    return Received::Lost;
                }
            };
            let frame = self.event_log.read(self.format, &message.into_data());
            let frame_seq = seq(&frame);
            if frame_seq > 0 {
                assert_eq!(
                    frame_seq,
                    self.seq + 1,
                    "member {} got a gap or a repeat: {frame}",
                    self.member
                );
                self.seq = frame_seq;
            } else if name(&frame) == "sysHeart" {
                let sent_at = frame["sysHeart"]["sentAt"].clone();
                self.send(&json!({"ackHeart": {"sentAt": sent_at, "lastSeq": self.seq}}))
                    .await;
            }
            return Received::Frame(frame);
        }
    }

    /// Sends a frame if it is connected. A lost connection is detected by reading.
    pub async fn send(&mut self, frame: &Value) {
        if let Some(stream) = &mut self.stream {
            // A frame that is lost with the connection is sent again after the resume.
            let _ = timeout(DEADLINE, stream.send(encode(self.format, frame)))
                .await
                .expect("it is sent in time");
        }
    }

    /// Drops the connection without a close frame.
    pub fn cut(&mut self) {
        self.stream = None;
    }

    /// Sends an instruction, again after each resume and with the same nonce, until it is answered.
    /// Returns the `ack` or `nack`.
    ///
    /// # Panics
    /// When there is no answer before the deadline.
    pub async fn ask(&mut self, nonce: u64, instruction: Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        let mut frame = json!({"id": id, "nonce": nonce.to_string()});
        frame
            .as_object_mut()
            .expect("an object")
            .extend(instruction.as_object().expect("an object").clone());
        let asked = async {
            self.send(&frame).await;
            loop {
                match self.next().await {
                    Received::Frame(answer)
                        if answer["ack"]["id"] == id || answer["nack"]["id"] == id =>
                    {
                        return Value::clone(&answer);
                    }
                    Received::Frame(_) => {}
                    Received::Lost => {
                        self.connect().await;
                        self.send(&frame).await;
                    }
                }
            }
        };
        timeout(DEADLINE, asked)
            .await
            .unwrap_or_else(|_| panic!("no answer to {frame}"))
    }

    /// Reads and resumes until it has received everything up to the seq `head`.
    ///
    /// # Panics
    /// When it has not before the deadline.
    pub async fn catch_up(&mut self, head: u64) {
        let reading = async {
            while self.seq < head {
                if matches!(self.next().await, Received::Lost) {
                    self.connect().await;
                }
            }
        };
        timeout(DEADLINE, reading)
            .await
            .unwrap_or_else(|_| panic!("seq {head} does not come"));
    }
}
