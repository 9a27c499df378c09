//! A WebSocket as the connection client sees it, over `tokio-tungstenite`.
//!
//! Buffers are small: the library's default read buffer of 128 KiB for each connection would be most of a quiet member's cost.
//!
//! Both halves share the stream under a lock that is held for one poll at a time. They are polled by one task, so nobody waits for it; it
//! is there because the reading half must get at the raw connection in the end: what a peer still sends after it was told goodbye has to be
//! read, or the kernel answers it with a reset that can overtake the close frame.

use crate::e::close::code_and_reason;
use bytes::Bytes;
use faceshare_biz::domain::instruction::{CloseReason, WireFormat};
use faceshare_logic::instruction::connclient::{FrameSink, FrameSource, Incoming, PeerGone};
use futures_util::{Sink as _, Stream as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// Read and write buffers in bytes; larger frames grow them for as long as they are under way.
const BUFFER: usize = 2048;
/// What may wait in the library's write buffer. The outbound queue's bounds come first; this one is the last resort.
const WRITE_BUFFER_MAX: usize = 4 << 20;

type Stream = WebSocketStream<TokioIo<Upgraded>>;

/// The stream that both halves poll.
#[derive(Clone)]
struct Shared(Arc<Mutex<Stream>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Stream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll<T>(&self, poll: impl FnOnce(Pin<&mut Stream>) -> T) -> T {
        poll(Pin::new(&mut *self.lock()))
    }

    /// Reads bytes past the WebSocket and throws them away; `false`: there are no more.
    fn poll_discard(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut scratch = [0; BUFFER];
        let mut buffer = ReadBuf::new(&mut scratch);
        let read = ready!(Pin::new(self.lock().get_mut()).poll_read(cx, &mut buffer));
        Poll::Ready(read.is_ok() && !buffer.filled().is_empty())
    }
}

/// Takes over an upgraded connection; its two halves.
pub(super) async fn accept(upgraded: Upgraded, format: WireFormat, frame_max: usize) -> (Source, Sink) {
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_write_buffer_size(WRITE_BUFFER_MAX)
        .max_message_size(Some(frame_max))
        .max_frame_size(Some(frame_max));
    let stream = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
    let shared = Shared(Arc::new(Mutex::new(stream)));
    (Source { shared: shared.clone(), format, broken: false }, Sink { shared, format })
}

/// The reading half.
pub(super) struct Source {
    shared: Shared,
    format: WireFormat,
    /// The stream cannot be read as frames any more.
    broken: bool,
}

impl Source {
    fn incoming(&self, message: Message) -> Incoming {
        match (message, self.format) {
            (Message::Close(_), _) => Incoming::Gone,
            (Message::Ping(_) | Message::Pong(_) | Message::Frame(_), _) => Incoming::Alive,
            (Message::Text(text), WireFormat::Json) => Incoming::Frame(text.into()),
            (Message::Binary(bytes), WireFormat::Proto) => Incoming::Frame(bytes),
            (Message::Text(_) | Message::Binary(_), _) => Incoming::WrongKind,
        }
    }
}

impl FrameSource for Source {
    async fn next(&mut self) -> Incoming {
        match poll_fn(|cx| self.shared.poll(|stream| stream.poll_next(cx))).await {
            Some(Ok(message)) => self.incoming(message),
            Some(Err(Error::Capacity(_))) => {
                self.broken = true;
                Incoming::TooLarge
            }
            Some(Err(Error::Utf8(_) | Error::Protocol(_))) => {
                self.broken = true;
                Incoming::Broken
            }
            Some(Err(_)) | None => Incoming::Gone,
        }
    }

    async fn discard(&mut self) {
        while !self.broken {
            match poll_fn(|cx| self.shared.poll(|stream| stream.poll_next(cx))).await {
                Some(Ok(_)) => {}
                Some(Err(Error::Capacity(_) | Error::Utf8(_) | Error::Protocol(_))) => self.broken = true,
                Some(Err(_)) | None => return,
            }
        }
        while poll_fn(|cx| self.shared.poll_discard(cx)).await {}
    }
}

/// The writing half.
pub(super) struct Sink {
    shared: Shared,
    format: WireFormat,
}

impl Sink {
    fn message(&self, frame: Bytes) -> Result<Message, PeerGone> {
        match self.format {
            WireFormat::Proto => Ok(Message::Binary(frame)),
            WireFormat::Json => Utf8Bytes::try_from(frame).map(Message::Text).map_err(|_| PeerGone),
        }
    }

    /// Puts a message into the write buffer, once there is room.
    async fn feed(&self, message: Message) -> Result<(), PeerGone> {
        poll_fn(|cx| self.shared.poll(|stream| stream.poll_ready(cx))).await.map_err(|_| PeerGone)?;
        self.shared.poll(|stream| stream.start_send(message)).map_err(|_| PeerGone)
    }

    async fn flush(&self) -> Result<(), PeerGone> {
        poll_fn(|cx| self.shared.poll(|stream| stream.poll_flush(cx))).await.map_err(|_| PeerGone)
    }
}

impl FrameSink for Sink {
    async fn send(&mut self, frames: &mut Vec<Bytes>) -> Result<(), PeerGone> {
        for frame in frames.drain(..) {
            self.feed(self.message(frame)?).await?;
        }
        self.flush().await
    }

    async fn close(&mut self, reason: CloseReason) {
        let (code, reason) = code_and_reason(reason);
        let frame = CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::from_static(reason) };
        // A peer that is gone needs no goodbye.
        if self.feed(Message::Close(Some(frame))).await.is_ok() {
            let _ = self.flush().await;
        }
    }
}
