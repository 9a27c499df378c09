//! A fake server for tests: accepts sockets one by one, as the test says.

use faceshare_api::v1::server_frame::Instruction;
use faceshare_api::v1::{ClientFrame, ServerFrame, Snapshot, Welcome, client_frame, welcome};
use faceshare_api::wellknown;
use futures_util::{SinkExt as _, StreamExt as _};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

pub(super) struct FakeServer {
    listener: TcpListener,
    pub(super) url: String,
}

/// One accepted socket, with the values of its handshake.
pub(super) struct FakePeer {
    socket: WebSocketStream<TcpStream>,
    json: bool,
    pub(super) query: String,
    pub(super) token: String,
}

impl FakeServer {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let url = format!(
            "ws://{}/v1/instructions",
            listener.local_addr().expect("bound")
        );
        Self { listener, url }
    }

    pub(super) async fn accept(&self) -> FakePeer {
        let (stream, _) = self.listener.accept().await.expect("accepts");
        let mut asked = (String::new(), String::new(), false);
        #[allow(clippy::result_large_err, reason = "the type is tungstenite's")]
        let callback =
            |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
                let header = |name| {
                    request
                        .headers()
                        .get(name)
                        .and_then(|value: &http::HeaderValue| value.to_str().ok())
                        .unwrap_or_default()
                        .to_owned()
                };
                let protocol = header("sec-websocket-protocol");
                asked = (
                    request.uri().query().unwrap_or_default().to_owned(),
                    header("authorization"),
                    protocol.ends_with("json"),
                );
                response.headers_mut().insert(
                    "sec-websocket-protocol",
                    protocol.parse().expect("a header"),
                );
                Ok(response)
            };
        let socket = accept_hdr_async(stream, callback).await.expect("upgrades");
        let (query, token, json) = asked;
        FakePeer {
            socket,
            json,
            query,
            token,
        }
    }

    /// Answers the next handshake with a status and a problem document.
    pub(super) async fn refuse(&self, status: u16, code: &str) {
        let (mut stream, _) = self.listener.accept().await.expect("accepts");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a request"));
        }
        let body = format!(r#"{{"status": {status}, "code": "{code}", "detail": "said so"}}"#);
        let answer = format!(
            "HTTP/1.1 {status} No\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await.expect("answers");
    }

    /// Accepts a connection and drops it before the handshake.
    pub(super) async fn drop_one(&self) {
        drop(self.listener.accept().await.expect("accepts"));
    }
}

impl FakePeer {
    pub(super) async fn send(&mut self, frame: ServerFrame) {
        let message = if self.json {
            Message::Text(serde_json::to_string(&frame).expect("serialises").into())
        } else {
            Message::Binary(frame.encode_to_vec().into())
        };
        self.socket.send(message).await.expect("sends");
    }

    pub(super) async fn send_instruction(&mut self, seq: u32, instruction: Instruction) {
        self.send(ServerFrame {
            seq,
            at: None,
            from: 1,
            instruction: Some(instruction),
        })
        .await;
    }

    pub(super) async fn welcome(&mut self, seq: u32, resumed: bool) {
        self.welcome_every(seq, resumed, 20_000).await;
    }

    pub(super) async fn welcome_every(&mut self, seq: u32, resumed: bool, heartbeat_millis: i64) {
        let welcome = Welcome {
            self_: Some(welcome::Self_ {
                member_id: 1,
                point_id: 11,
                role: 1,
            }),
            epoch: "e1".into(),
            seq,
            resumed,
            heartbeat_interval: Some(wellknown::Duration::from_millis(heartbeat_millis)),
            snapshot: (!resumed).then(Snapshot::default),
        };
        self.send_instruction(0, Instruction::Welcome(welcome))
            .await;
    }

    /// The next frame of the client; `None` when the client closed or broke the connection.
    pub(super) async fn receive(&mut self) -> Option<ClientFrame> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Binary(bytes)) => {
                    return Some(ClientFrame::decode(bytes).expect("a frame"));
                }
                Ok(Message::Text(text)) => {
                    return Some(serde_json::from_str(&text).expect("a frame"));
                }
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next instruction of the client, with its id and nonce.
    pub(super) async fn receive_instruction(&mut self) -> (u32, u64, client_frame::Instruction) {
        let frame = self.receive().await.expect("a frame");
        (
            frame.id,
            frame.nonce,
            frame.instruction.expect("an instruction"),
        )
    }

    pub(super) async fn close(mut self, code: u16, reason: &'static str) {
        self.socket
            .close(Some(CloseFrame {
                code: code.into(),
                reason: reason.into(),
            }))
            .await
            .expect("closes");
        // Waits until the client closes: dropping the socket at once could reset the connection
        // before the code arrives.
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}
