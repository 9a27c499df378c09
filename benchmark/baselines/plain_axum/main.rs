//! The obvious implementation: axum, a broadcast channel for each room, small WebSocket buffers,
//! and an HTTP call with a constant answer.

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::serve::ListenerExt as _;
use axum::{Json, Router, routing};
use bytes::Bytes;
use clap::Parser;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::sync::broadcast;

/// Messages that wait for a slow receiver; older ones are skipped.
const BACKLOG: usize = 1024;

type Rooms = Arc<Mutex<HashMap<u64, broadcast::Sender<Bytes>>>>;

/// A plain broadcast server on axum.
#[derive(Debug, Parser)]
struct AxumArgs {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:9301")]
    listen: SocketAddr,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum RoomRole {
    Sender,
    Receiver,
}

#[derive(Deserialize)]
struct RoomQuery {
    role: RoomRole,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let args = AxumArgs::parse();
    let app = Router::new()
        .route("/room/{room}", routing::get(enter))
        .route(
            "/constant",
            routing::get(async || Json(FaceSessionAnswer::default())),
        )
        .with_state(Rooms::default());
    let listener = tokio::net::TcpListener::bind(args.listen).await?;
    writeln!(std::io::stdout(), "listening on {}", listener.local_addr()?)?;
    let undelayed = listener.tap_io(|socket| _ = socket.set_nodelay(true));
    axum::serve(undelayed, app).await
}

async fn enter(
    Path(room): Path<u64>,
    Query(part): Query<RoomQuery>,
    State(rooms): State<Rooms>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let sender = {
        let mut rooms = rooms
            .lock()
            .expect("invariant: nothing panics while it holds the lock");
        rooms
            .entry(room)
            .or_insert_with(|| broadcast::channel(BACKLOG).0)
            .clone()
    };
    upgrade
        .read_buffer_size(2048)
        .write_buffer_size(2048)
        .max_write_buffer_size(256 << 10)
        .on_upgrade(async move |socket| match part.role {
            RoomRole::Sender => send(socket, sender).await,
            RoomRole::Receiver => receive(socket, sender.subscribe()).await,
        })
}

async fn send(mut socket: WebSocket, room: broadcast::Sender<Bytes>) {
    while let Some(Ok(message)) = socket.recv().await {
        if let Message::Binary(bytes) = message {
            // An error only means that the room has no receivers.
            let _ = room.send(bytes);
        }
    }
}

async fn receive(mut socket: WebSocket, mut room: broadcast::Receiver<Bytes>) {
    loop {
        tokio::select! {
            message = room.recv() => match message {
                Ok(bytes) => if socket.send(Message::Binary(bytes)).await.is_err() { return },
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            },
            // Reading also answers pings.
            read = socket.recv() => if !matches!(read, Some(Ok(_))) { return },
        }
    }
}

/// The answer of `GET /v1/face-sessions/{id}`, field by field.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct FaceSessionAnswer {
    face_session: FaceSession,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FaceSession {
    id: &'static str,
    title: &'static str,
    host_id: &'static str,
    status: &'static str,
    admission: &'static str,
    admission_forced: bool,
    locked: bool,
    host_left: &'static str,
    max_members: u32,
    member_count: u32,
    created_at: &'static str,
}

impl Default for FaceSession {
    fn default() -> Self {
        Self {
            id: "7301444403200000002",
            title: "A session to look at",
            host_id: "7301444403200000001",
            status: "RUNNING",
            admission: "OPEN",
            admission_forced: false,
            locked: false,
            host_left: "COUNTDOWN",
            max_members: 500,
            member_count: 2,
            created_at: "2026-01-01T12:00:00.000Z",
        }
    }
}
