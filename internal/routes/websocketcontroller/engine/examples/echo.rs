//! Echoes messages, for the conformance suite: `scripts/conformance`.
//!
//! Listens on a free port of this machine and prints its address.

use faceshare_websocket::{Event, Receiver, accept_key, close, frame, pong};
use std::io::Write as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The suite's largest message.
const MESSAGE_MAX: usize = 16 << 20;
/// Longer requests are refused.
const REQUEST_MAX: usize = 8 << 10;
const HEAD_END: &[u8] = b"\r\n\r\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            // The suite may drop a connection at any time.
            let _ = serve(stream).await;
        });
    }
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes
            .windows(HEAD_END.len())
            .position(|window| window == HEAD_END)
        {
            break end + HEAD_END.len();
        }
        if bytes.len() > REQUEST_MAX || stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let mut ahead = bytes.split_off(head);
    let Some(key) = key(&bytes) else {
        return stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            .await;
    };
    let accept = accept_key(key.as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut receiver = Receiver::new(MESSAGE_MAX);
    loop {
        let (answers, over) = answer(&mut receiver, &mut ahead);
        stream.write_all(&answers).await?;
        if over {
            stream.shutdown().await?;
            // Read to the end: otherwise the kernel resets the connection, which can overtake the
            // close frame.
            return tokio::io::copy(&mut stream, &mut tokio::io::sink())
                .await
                .map(drop);
        }
        ahead.resize(64 << 10, 0);
        let read = stream.read(&mut ahead).await?;
        ahead.truncate(read);
        if read == 0 {
            return Ok(());
        }
    }
}

/// The bytes to answer, and whether the connection ends after them.
fn answer(receiver: &mut Receiver, bytes: &mut [u8]) -> (Vec<u8>, bool) {
    let (mut answers, mut over) = (Vec::new(), false);
    let received = receiver.receive(bytes, |event| match event {
        Event::Message(kind, message) => answers.extend_from_slice(&frame(kind, &message)),
        Event::Ping(payload) => answers.extend_from_slice(&pong(&payload)),
        Event::Pong | Event::EmptyFragment => {}
        Event::Close(close_frame) => {
            answers.extend_from_slice(&close_frame.answer());
            over = true;
        }
    });
    if let Err(violation) = received {
        answers.extend_from_slice(&close(violation.close_code(), ""));
        over = true;
    }
    (answers, over)
}

/// The key of a handshake.
fn key(head: &[u8]) -> Option<&str> {
    let head = std::str::from_utf8(head).ok()?;
    let named = |line: &'_ str| {
        line.split_once(':')
            .is_some_and(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))
    };
    let line = head.lines().find(|line| named(line))?;
    line.split_once(':').map(|(_, value)| value.trim())
}
