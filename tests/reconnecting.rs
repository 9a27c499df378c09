//! A client on a bad network: it is cut off, comes back to where it was, and says again what was not answered.
//!
//! As a client of the contract should, it resumes after every close that allows it; and it looks at what it gets: the first frame after a
//! resume is the one after the last it saw, and none comes twice.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::ledger::Ledger;
use crate::meeting::Meeting;
use crate::socket::{Credential, encode, handshake, name, resume, seq};
use crate::{DEADLINE, Format};

/// After these a client resumes by itself.
const RESUMABLE: [u16; 7] = [1001, 1005, 1006, 1011, 1012, 1013, 4008];
/// Between two attempts to connect, as a client backs off.
const BACKOFF: Duration = Duration::from_millis(50);

/// One member's point, over all its connections.
#[derive(Debug)]
pub struct Traveller {
    url: String,
    token: String,
    format: Format,
    credential: Credential,
    ledger: Arc<Ledger>,
    stream: Option<WebSocketStream<MaybeTlsStream<TcpStream>>>,
    /// Its member's id; empty before the first connection.
    pub member: String,
    epoch: String,
    /// The last ordered seq it saw.
    pub seq: u64,
    /// How often it connected.
    pub connections: u32,
    next_id: u32,
}

/// What a connection brought.
#[derive(Clone, Debug)]
pub enum Turn {
    /// A frame.
    Frame(Arc<Value>),
    /// Its end; it may be connected again.
    Lost,
}

impl Traveller {
    /// A member of the meeting, not yet connected.
    #[must_use]
    pub fn new(meeting: &Meeting, index: usize, format: Format, ledger: &Arc<Ledger>) -> Self {
        Self {
            url: meeting.websocket_url.clone(),
            token: meeting.tokens[index].clone(),
            format,
            credential: if index % 4 < 2 {
                Credential::Header
            } else {
                Credential::Subprotocol
            },
            ledger: ledger.clone(),
            stream: None,
            member: String::new(),
            epoch: String::new(),
            seq: 0,
            connections: 0,
            next_id: 1,
        }
    }

    /// Connects, for the first time or again, trying until it works: a server may be away for a moment.
    ///
    /// # Panics
    /// When it does not work before the deadline, is refused for good, or does not go on where it was.
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
        let frame = self.ledger.read(self.format, &message.into_data());
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
                "not where it was, at {}: {frame}",
                self.seq
            );
        }
        self.connections += 1;
        self.stream = Some(stream);
        Some(())
    }

    /// What comes next; waits as long as it takes, and may be given up at any time. Heartbeats are answered.
    ///
    /// # Panics
    /// When a frame is not the next one, or the connection ends for good.
    pub async fn next(&mut self) -> Turn {
        loop {
            let Some(stream) = &mut self.stream else {
                return Turn::Lost;
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
                    return Turn::Lost;
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => {
                    self.stream = None;
                    return Turn::Lost;
                }
            };
            let frame = self.ledger.read(self.format, &message.into_data());
            let place = seq(&frame);
            if place > 0 {
                assert_eq!(
                    place,
                    self.seq + 1,
                    "member {} got a gap or a repeat: {frame}",
                    self.member
                );
                self.seq = place;
            } else if name(&frame) == "sysHeart" {
                let sent_at = frame["sysHeart"]["sentAt"].clone();
                self.send(&json!({"ackHeart": {"sentAt": sent_at, "lastSeq": self.seq}}))
                    .await;
            }
            return Turn::Frame(frame);
        }
    }

    /// Sends a frame, if it is connected. That the peer has gone is found out by reading.
    pub async fn send(&mut self, frame: &Value) {
        if let Some(stream) = &mut self.stream {
            // What is lost with the connection is what this client is about.
            let _ = timeout(DEADLINE, stream.send(encode(self.format, frame)))
                .await
                .expect("it is sent in time");
        }
    }

    /// Cuts the connection without a word.
    pub fn cut(&mut self) {
        self.stream = None;
    }

    /// Gives an instruction, again and again with the same nonce until it is answered; gives the `ack` or `nack`.
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
                    Turn::Frame(answer)
                        if answer["ack"]["id"] == id || answer["nack"]["id"] == id =>
                    {
                        return Value::clone(&answer);
                    }
                    Turn::Frame(_) => {}
                    Turn::Lost => {
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

    /// Reads until it has seen everything up to `head`, coming back as often as it must.
    ///
    /// # Panics
    /// When it has not before the deadline.
    pub async fn catch_up(&mut self, head: u64) {
        let reading = async {
            while self.seq < head {
                if matches!(self.next().await, Turn::Lost) {
                    self.connect().await;
                }
            }
        };
        timeout(DEADLINE, reading)
            .await
            .unwrap_or_else(|_| panic!("{head} is never seen"));
    }
}
