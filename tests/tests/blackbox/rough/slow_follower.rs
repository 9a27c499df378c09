//! A follower on a slow network path gets new positions; old ones are dropped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use faceshare_tests::Format;
use faceshare_tests::meeting::Meeting;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{MissedTickBehavior, interval};

/// The number of sent values, and the pause between two.
const SENT: u64 = 500;
const SEND_PACE: Duration = Duration::from_millis(20);
/// The throughput of the slow path: 12.8 KB/s, while 50 values of 800 bytes a second are about 45
/// KB.
const LINE_BYTES: usize = 256;
const LINE_PACE: Duration = Duration::from_millis(20);
/// How many values behind the newest one an arriving value may be. Some 60 KB lie in the sockets'
/// buffers and on the line; without a bound on what the kernel takes, it is 350 at the end and goes
/// on growing.
const OLDEST: u64 = 180;

/// Starts a proxy to `server` that is slow towards the client and buffers little. Returns its
/// address.
async fn slow_line(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.set_recv_buffer_size(8_192).expect("a small buffer");
            let upstream = socket.connect(server).await.expect("the server listens");
            tokio::spawn(carry(client, upstream));
        }
    });
    address
}

async fn carry(client: TcpStream, server: TcpStream) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
    let mut pace = interval(LINE_PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut part = [0; LINE_BYTES];
    while let Ok(read @ 1..) = from_server.read(&mut part).await {
        pace.tick().await;
        if to_client.write_all(&part[..read]).await.is_err() {
            return;
        }
    }
}

/// The number of a value, padded to 800 bytes in base64.
fn value(number: u64) -> Value {
    json!({"actionSync": {"key": "view", "custom": format!("{number:08}{}", "A".repeat(1_056))}})
}

fn number(frame: &Value) -> u64 {
    let custom = frame["actionSync"]["custom"]
        .as_str()
        .unwrap_or_else(|| panic!("no value in {frame}"));
    custom[..8].parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_follower_gets_fresh_values_and_not_every_one() {
    // The path is too slow for answers to heartbeats.
    let calm = [("heartbeat.interval", "5m"), ("heartbeat.timeout", "10m")];
    let (mut meeting, mut sockets) = Meeting::with(Format::Proto, 1, &calm, json!({})).await;
    let server = meeting
        .server
        .url()
        .replace("http://", "")
        .parse()
        .expect("an address");
    meeting.admit("slow").await;
    let line = slow_line(server).await;
    let url = meeting
        .websocket_url
        .replace(&server.to_string(), &line.to_string());
    let mut slow = meeting.connect_at(1, &url).await;
    let mut presenter = sockets.remove(0);
    presenter.expect("memberJoin").await;
    slow.acked(json!({"followOther": {"target": presenter.member()}}))
        .await;

    let newest = Arc::new(AtomicU64::new(0));
    let sending = tokio::spawn({
        let newest = newest.clone();
        async move {
            let mut pace = interval(SEND_PACE);
            for number in 1..=SENT {
                pace.tick().await;
                presenter.send(&value(number)).await;
                newest.store(number, Ordering::Relaxed);
            }
            presenter
        }
    });
    let (mut received, mut oldest, mut last) = (0, 0, 0);
    while last < SENT {
        let shown = number(&slow.until("actionSync").await);
        assert!(shown > last, "values arrive in order: {shown} after {last}");
        last = shown;
        received += 1;
        oldest = oldest.max(newest.load(Ordering::Relaxed) - shown);
    }
    let _presenter = sending.await.expect("all is sent");
    assert!(
        oldest <= OLDEST,
        "a value arrived {oldest} behind the newest"
    );
    assert!(
        received < SENT / 2,
        "{received} values arrived: those in between are left out"
    );
}
