//! Raw connections from chosen loopback addresses, and an HTTP/2 client with flow-control windows
//! that a well-behaved client would not use.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use crate::DEADLINE;
use crate::http::Http;

/// Receive buffer of a client that does not read.
const SMALL_BUFFER: u32 = 16_384;
/// Pause between two checks of a condition.
const LOOK: Duration = Duration::from_millis(20);

/// Connects to `to` (`host:port`) from a loopback address, with a small receive buffer.
///
/// # Errors
/// When the server does not accept the connection.
///
/// # Panics
/// When `to` is not an address.
pub async fn connect_from(from: [u8; 4], to: &str) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(SMALL_BUFFER)?;
    socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(from)), 0))?;
    socket.connect(to.parse().expect("an address")).await
}

/// Sends one `GET` on a new connection from a loopback address. Returns the whole response, or an
/// empty text when there is none before the deadline.
pub async fn get_from(from: [u8; 4], to: &str, path: &str, time: Duration) -> Option<String> {
    let call = async {
        let mut stream = connect_from(from, to).await.ok()?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
            .filter(|answer| answer.starts_with("HTTP/1.1 "))
    };
    timeout(time, call).await.ok().flatten()
}

/// The sum of a metric over the lines whose labels contain `label`.
///
/// # Panics
/// When the metrics cannot be read.
pub async fn metric(http: &Http, name: &str, label: &str) -> f64 {
    let answer = http
        .request(reqwest::Method::GET, "/metrics")
        .header("connection", "close")
        .send()
        .await
        .expect("metrics");
    let text = answer.text().await.expect("text");
    let of_name = text
        .lines()
        .filter_map(|line| line.strip_prefix(name))
        .filter(|rest| rest.starts_with(['{', ' ']));
    let of_label = of_name
        .filter(|rest| rest.contains(label))
        .filter_map(|rest| rest.rsplit_once(' '));
    of_label
        .map(|(_, value)| value.parse::<f64>().expect("a number"))
        .sum()
}

/// Waits until a metric meets a condition.
///
/// # Panics
/// When it does not before the deadline.
pub async fn until_metric(http: &Http, name: &str, label: &str, wanted: impl Fn(f64) -> bool) {
    let end = Instant::now() + DEADLINE;
    loop {
        let value = metric(http, name, label).await;
        if wanted(value) {
            return;
        }
        assert!(Instant::now() < end, "{name} {label} is still {value}");
        sleep(LOOK).await;
    }
}

/// Waits until the server has closed a connection. Discards the data that it sent before.
///
/// # Panics
/// When it does not before the deadline.
pub async fn until_closed(stream: &mut TcpStream) {
    let mut rest = [0; 4_096];
    // A reset counts as closed.
    let end = async { while matches!(stream.read(&mut rest).await, Ok(1..)) {} };
    timeout(DEADLINE, end)
        .await
        .expect("the server closes the connection");
}

/// An HTTP/2 client that builds its own frames and reads only on request.
#[derive(Debug)]
pub struct Http2 {
    /// The connection.
    pub stream: TcpStream,
    next_stream: u32,
}

impl Http2 {
    /// Starts HTTP/2 on a connection, with this window for each response.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn open(mut stream: TcpStream, window: u32) -> io::Result<Self> {
        let mut begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let setting = [&4_u16.to_be_bytes()[..], &window.to_be_bytes()].concat();
        begin.extend(frame(4, 0, 0, &setting));
        stream.write_all(&begin).await?;
        Ok(Self {
            stream,
            next_stream: 1,
        })
    }

    /// Requests `path` the given number of times, each on a new stream.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn get(&mut self, path: &str, times: usize) -> io::Result<()> {
        let length = |text: &str| {
            u8::try_from(text.len())
                .ok()
                .filter(|length| *length < 127)
                .expect("a short text")
        };
        // Of HPACK's static table: GET, http; then the path and the authority as literals that are
        // not indexed.
        let mut head = vec![0x82, 0x86, 0x04, length(path)];
        head.extend(path.bytes());
        head.extend([0x01, length("localhost")]);
        head.extend(b"localhost");
        let mut frames = Vec::new();
        for _ in 0..times {
            frames.extend(frame(1, 0x5, self.next_stream, &head));
            self.next_stream += 2;
        }
        self.stream.write_all(&frames).await
    }

    /// Acknowledges the server's settings.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn acknowledge(&mut self) -> io::Result<()> {
        self.stream.write_all(&frame(4, 1, 0, &[])).await
    }

    /// Reads until a frame of this type (1: the head of a response) has come. It ignores other
    /// frames.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn until_frame(&mut self, kind: u8) -> io::Result<()> {
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload).await?;
            if head[3] == kind {
                return Ok(());
            }
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("a short frame")
        .to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}
