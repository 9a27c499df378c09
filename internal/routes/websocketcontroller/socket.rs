//! A WebSocket as the connection client sees it, over `tokio-tungstenite`.
//!
//! Buffers are small: the library's default read buffer of 128 KiB for each connection would be most of a quiet member's cost.

use crate::e::close::code_and_reason;
use bytes::Bytes;
use faceshare_biz::domain::instruction::{CloseReason, WireFormat};
use faceshare_logic::instruction::connclient::{FrameSink, FrameSource, Incoming, PeerGone};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// Read and write buffers in bytes; larger frames grow them for as long as they are under way.
const BUFFER: usize = 2048;
/// What may wait in the library's write buffer. The outbound queue's bounds come first; this one is the last resort.
const WRITE_BUFFER_MAX: usize = 4 << 20;
/// Frames up to this many times the limit are read to their end, so that the refusal can be read too.
const OVERSIZE_READ: usize = 16;

type Stream = WebSocketStream<TokioIo<Upgraded>>;

/// Takes over an upgraded connection; its two halves.
pub(super) async fn accept(upgraded: Upgraded, format: WireFormat, frame_max: usize) -> (Source, Sink) {
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_write_buffer_size(WRITE_BUFFER_MAX)
        .max_message_size(Some(frame_max.saturating_mul(OVERSIZE_READ)))
        .max_frame_size(Some(frame_max.saturating_mul(OVERSIZE_READ)));
    let stream = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
    let (sink, source) = stream.split();
    (Source { source, format, frame_max, oversized: false }, Sink { sink, format })
}

/// The reading half.
pub(super) struct Source {
    source: SplitStream<Stream>,
    format: WireFormat,
    frame_max: usize,
    oversized: bool,
}

impl Source {
    fn incoming(&mut self, message: Message) -> Incoming {
        match (message, self.format) {
            (Message::Close(_), _) => Incoming::Gone,
            (Message::Ping(_) | Message::Pong(_) | Message::Frame(_), _) => Incoming::Alive,
            (message, _) if message.len() > self.frame_max => Incoming::TooLarge,
            (Message::Text(text), WireFormat::Json) => Incoming::Frame(text.into()),
            (Message::Binary(bytes), WireFormat::Proto) => Incoming::Frame(bytes),
            (Message::Text(_) | Message::Binary(_), _) => Incoming::WrongKind,
        }
    }
}

impl FrameSource for Source {
    async fn next(&mut self) -> Incoming {
        match self.source.next().await {
            Some(Ok(message)) => self.incoming(message),
            Some(Err(Error::Capacity(_))) => {
                self.oversized = true;
                Incoming::TooLarge
            }
            Some(Err(Error::Utf8(_) | Error::Protocol(_))) => Incoming::Broken,
            Some(Err(_)) | None => Incoming::Gone,
        }
    }

    async fn discard(&mut self) {
        // A frame that was too large to be read at all stands in the way of everything after it.
        while !self.oversized && matches!(self.source.next().await, Some(Ok(_))) {}
    }
}

/// The writing half.
pub(super) struct Sink {
    sink: SplitSink<Stream, Message>,
    format: WireFormat,
}

impl Sink {
    fn message(&self, frame: Bytes) -> Result<Message, PeerGone> {
        match self.format {
            WireFormat::Proto => Ok(Message::Binary(frame)),
            WireFormat::Json => Utf8Bytes::try_from(frame).map(Message::Text).map_err(|_| PeerGone),
        }
    }
}

impl FrameSink for Sink {
    async fn send(&mut self, frames: &mut Vec<Bytes>) -> Result<(), PeerGone> {
        for frame in frames.drain(..) {
            let message = self.message(frame)?;
            self.sink.feed(message).await.map_err(|_| PeerGone)?;
        }
        self.sink.flush().await.map_err(|_| PeerGone)
    }

    async fn close(&mut self, reason: CloseReason) {
        let (code, reason) = code_and_reason(reason);
        let frame = CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::from_static(reason) };
        // A peer that is gone needs no goodbye.
        let _ = self.sink.send(Message::Close(Some(frame))).await;
    }
}
