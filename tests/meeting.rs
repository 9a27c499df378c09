//! The fixture of most tests: a session with connected members.

use serde_json::{Value, json};

use crate::Format;
use crate::http::{Guest, Http};
use crate::server::Server;
use crate::socket::{Credential, Socket, handshake, resume};

/// One session on its own server.
#[derive(Debug)]
pub struct Meeting {
    /// The server.
    pub server: Server,
    /// A client of its HTTP API.
    pub http: Http,
    /// The subprotocol that its sockets speak.
    pub format: Format,
    /// The session's id.
    pub id: String,
    /// Its number code at the start.
    pub code: String,
    /// The members; the host is the first.
    pub guests: Vec<Guest>,
    /// The session token of each one's point.
    pub tokens: Vec<String>,
    /// The URL of the stream.
    pub websocket_url: String,
}

impl Meeting {
    /// A session of `members` connected members on a new server. Each has received the `memberJoin`
    /// of all later ones.
    pub async fn of(format: Format, members: usize) -> (Self, Vec<Socket>) {
        Self::with(format, members, &[], json!({"title": "Review"})).await
    }

    /// Like [`of`](Self::of), with settings of the server and the body that creates the session.
    pub async fn with(
        format: Format,
        members: usize,
        settings: &[(&str, &str)],
        body: Value,
    ) -> (Self, Vec<Socket>) {
        let server = Server::start_with(settings).await;
        let mut meeting = Self::created(server, format, body).await;
        let mut sockets = vec![meeting.connect(0).await];
        for index in 1..members {
            meeting.admit(&format!("guest {index}")).await;
            sockets.push(meeting.connect(index).await);
            let newest = sockets.last().expect("just pushed").member().to_owned();
            for socket in &mut sockets[..index] {
                let joined = socket.expect("memberJoin").await;
                assert_eq!(joined["memberJoin"]["member"]["memberId"], newest);
            }
        }
        (meeting, sockets)
    }

    /// A session with its host only, which is not connected.
    pub async fn created(server: Server, format: Format, body: Value) -> Self {
        let http = server.http();
        let host = http.guest("host").await;
        let created = http.create(&host, body).await;
        let text = |value: &Value| {
            value
                .as_str()
                .unwrap_or_else(|| panic!("no text in {created}"))
                .to_owned()
        };
        Self {
            id: text(&created["faceSession"]["id"]),
            code: text(&created["numberCode"]["code"]),
            tokens: vec![text(&created["sessionToken"])],
            websocket_url: text(&created["websocketUrl"]),
            guests: vec![host],
            server,
            http,
            format,
        }
    }

    /// Joins a new guest by the number code. It is not yet connected.
    pub async fn admit(&mut self, nickname: &str) {
        let guest = self.http.guest(nickname).await;
        let admitted = self.http.prejoin(&guest, &self.code).await.ok(200);
        assert_eq!(admitted["status"], "ADMITTED");
        self.tokens.push(
            admitted["sessionToken"]
                .as_str()
                .expect("a session token")
                .to_owned(),
        );
        self.guests.push(guest);
    }

    /// Connects the member's point. Every second member sends its token as browsers do, so that
    /// tests use both ways.
    pub async fn connect(&self, index: usize) -> Socket {
        self.connect_at(index, &self.websocket_url).await
    }

    /// Resumes the member's point after `seq` of `epoch`.
    pub async fn resume(&self, index: usize, epoch: &str, seq: u64) -> Socket {
        let mut socket = self
            .connect_at(index, &resume(&self.websocket_url, epoch, seq))
            .await;
        if socket.welcome["resumed"] == true {
            socket.seq = seq;
        }
        socket
    }

    /// Connects the member's point to `url`.
    pub async fn connect_at(&self, index: usize, url: &str) -> Socket {
        let credential = if index.is_multiple_of(2) {
            Credential::Header
        } else {
            Credential::Subprotocol
        };
        Socket::open(
            handshake(url, self.format, &self.tokens[index], credential),
            self.format,
        )
        .await
    }

    /// The access token of a member.
    #[must_use]
    pub fn access(&self, index: usize) -> &str {
        &self.guests[index].access
    }

    /// The path `/v1/face-sessions/{id}` followed by `rest`.
    #[must_use]
    pub fn path(&self, rest: &str) -> String {
        format!("/v1/face-sessions/{}{rest}", self.id)
    }
}

/// The edges of a `followChange`, by member, each as `(target, root, suspended, reason)`; an absent
/// id is empty.
#[must_use]
pub fn edges(frame: &Value) -> Vec<(String, String, String, bool, String)> {
    let none = Vec::new();
    let edges = frame["followChange"]["edges"].as_array().unwrap_or(&none);
    let text = |edge: &Value, name: &str| edge[name].as_str().unwrap_or_default().to_owned();
    let edge = |edge: &Value| {
        let suspended = edge["suspended"].as_bool().unwrap_or_default();
        (
            text(edge, "memberId"),
            text(edge, "target"),
            text(edge, "root"),
            suspended,
            text(edge, "reason"),
        )
    };
    let mut edges: Vec<_> = edges.iter().map(edge).collect();
    edges.sort();
    edges
}
