//! The halves of a WebSocket: the engine of `faceshare-websocket`, which does no I/O, over a
//! connection that hyper has upgraded.
//!
//! A plain TCP connection is taken back from hyper and shared: both halves use it without a lock,
//! and any task may write to it at once. Any other transport (TLS) is split, and only its own task
//! writes to it.
//!
//! Frames to send already have their header: the codec puts it there. Reads go through a buffer of
//! the thread, so a connection needs no buffer of its own.

use crate::e::close::code_and_reason;
use crate::unreadable::ProblemResponses;
use bytes::{Buf, Bytes};
use faceshare_biz::domain::instruction::{CloseReason, WireFormat};
use faceshare_logic::instruction::connclient::{
    DirectWrite, FrameSink, FrameSource, Incoming, PeerGone,
};
use faceshare_websocket::{Event, MessageKind, Receiver, Violation, close, pong};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use socket2::SockRef;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::TcpStream;

/// Bytes read at a time at most.
const SCRATCH: usize = 4096;
/// Frames written in one system call at most.
const WRITE_BATCH: usize = 64;

thread_local! {
    /// Holds the bytes of the connection that this thread is reading.
    static READ: RefCell<[u8; SCRATCH]> = const { RefCell::new([0; SCRATCH]) };
}

/// Takes over an upgraded connection and returns its two halves.
pub(super) fn accept(
    upgraded: Upgraded,
    format: WireFormat,
    frame_max: usize,
) -> (SocketReader, SocketWriter) {
    let (reader, writer, ahead) = match downcast::<TokioIo<ProblemResponses<TcpStream>>>(upgraded) {
        Ok(parts) => {
            let tcp = Arc::new(TcpConnection(parts.io.into_inner().into_inner()));
            (
                ReadTransport::Tcp(tcp.clone()),
                WriteTransport::Tcp(tcp),
                parts.read_buf,
            )
        }
        Err(upgraded) => {
            let (reader, writer) = tokio::io::split(TokioIo::new(upgraded));
            (
                ReadTransport::Other(reader),
                WriteTransport::Other(writer),
                Bytes::new(),
            )
        }
    };
    let mut source = SocketReader {
        reader,
        receiver: Receiver::new(frame_max),
        format,
        next: None,
        queued: VecDeque::new(),
        close_received: false,
        is_broken: false,
    };
    if !ahead.is_empty() {
        // Bytes that hyper has read beyond the handshake.
        source.receive(&mut ahead.to_vec());
    }
    (
        source,
        SocketWriter {
            writer,
            unsent: VecDeque::new(),
            is_begun: false,
        },
    )
}

/// The transport that bytes are read from.
enum ReadTransport {
    Tcp(Arc<TcpConnection>),
    Other(ReadHalf<TokioIo<Upgraded>>),
}

impl ReadTransport {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<std::io::Result<usize>> {
        match self {
            Self::Tcp(tcp) => tcp.poll_read(cx, buffer),
            Self::Other(half) => {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(half).poll_read(cx, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
        }
    }
}

/// The reading half.
pub(super) struct SocketReader {
    reader: ReadTransport,
    receiver: Receiver,
    format: WireFormat,
    /// Decoded and not yet taken. Mostly it is one item at a time, which needs no queue.
    next: Option<Incoming>,
    queued: VecDeque<Incoming>,
    /// Whether the peer has sent a close frame.
    close_received: bool,
    /// Whether the peer has violated the protocol: later bytes are no frames.
    is_broken: bool,
}

impl SocketReader {
    fn incoming(format: WireFormat, event: Event) -> Incoming {
        match (event, format) {
            (Event::Close(close), _) => Incoming::CloseFrame(close.answer()),
            (Event::Ping(payload), _) => Incoming::Probe(pong(&payload)),
            (Event::Pong | Event::EmptyFragment, _) => Incoming::Alive,
            (Event::Message(MessageKind::Text, text), WireFormat::Json) => Incoming::Frame(text),
            (Event::Message(MessageKind::Binary, bytes), WireFormat::Proto) => {
                Incoming::Frame(bytes)
            }
            (Event::Message(..), _) => Incoming::WrongKind,
        }
    }

    fn receive(&mut self, bytes: &mut [u8]) {
        let Self {
            receiver,
            format,
            next,
            queued,
            close_received,
            is_broken,
            ..
        } = self;
        let mut enqueue = |incoming| {
            if next.is_none() && queued.is_empty() {
                *next = Some(incoming);
            } else {
                queued.push_back(incoming);
            }
        };
        let received = receiver.receive(bytes, |event| {
            *close_received |= matches!(event, Event::Close(_));
            enqueue(Self::incoming(*format, event));
        });
        if let Err(violation) = received {
            *is_broken = true;
            enqueue(match violation {
                Violation::TooLarge => Incoming::TooLarge,
                Violation::Protocol(_) | Violation::NotUtf8 => Incoming::Broken,
            });
        }
    }

    /// Takes the next decoded item.
    fn pop(&mut self) -> Option<Incoming> {
        let next = self.next.take().or_else(|| self.queued.pop_front());
        if self.queued.is_empty() && self.queued.capacity() > 0 {
            self.queued = VecDeque::new();
        }
        next
    }

    /// Reads once; `false` at the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        READ.with_borrow_mut(|scratch| {
            let read = ready!(self.reader.poll_read(cx, scratch)).unwrap_or(0);
            if read == 0 {
                return Poll::Ready(false);
            }
            if !self.is_broken {
                self.receive(&mut scratch[..read]);
            }
            Poll::Ready(true)
        })
    }
}

impl FrameSource for SocketReader {
    async fn next(&mut self) -> Incoming {
        loop {
            if let Some(incoming) = self.pop() {
                return incoming;
            }
            if !poll_fn(|cx| self.poll_read(cx)).await {
                return Incoming::Gone;
            }
        }
    }

    fn has_more(&self) -> bool {
        self.next.is_some() || !self.queued.is_empty()
    }

    async fn discard(&mut self) {
        // Bytes after a violation are read too. Otherwise the kernel answers them with a reset,
        // which can overtake the close frame.
        while !self.close_received && poll_fn(|cx| self.poll_read(cx)).await {
            while self.pop().is_some() {}
        }
    }
}

/// A TCP connection. Reads and writes need no exclusive access; the outbound queue makes sure that
/// writes do not mix.
#[derive(Debug)]
struct TcpConnection(TcpStream);

impl TcpConnection {
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<std::io::Result<usize>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            let mut bytes_read = None;
            let result = self.0.try_io(Interest::READABLE, || {
                let read = (&*SockRef::from(&self.0)).read(buffer)?;
                bytes_read = Some(read);
                // A read that does not fill the buffer has read everything. `WouldBlock` tells
                // tokio so, and saves the system call that would find nothing. This needs
                // edge-triggered readiness, so it is done on Linux only.
                if cfg!(target_os = "linux") && read > 0 && read < buffer.len() {
                    Err(ErrorKind::WouldBlock.into())
                } else {
                    Ok(())
                }
            });
            match (bytes_read, result) {
                (Some(read), _) => return Poll::Ready(Ok(read)),
                (None, Err(error))
                    if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
                {
                    return Poll::Ready(Err(error));
                }
                (None, _) => {}
            }
        }
    }
}

impl DirectWrite for TcpConnection {
    fn write_now(&self, frames: &[IoSlice<'_>]) -> Result<usize, PeerGone> {
        self.0
            .try_write_vectored(frames)
            .or_else(|error| match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(0),
                _ => Err(PeerGone),
            })
    }

    fn socket(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }
}

/// The transport that bytes are written to.
enum WriteTransport {
    Tcp(Arc<TcpConnection>),
    Other(WriteHalf<TokioIo<Upgraded>>),
}

/// The writing half.
pub(super) struct SocketWriter {
    writer: WriteTransport,
    /// Frames that are not sent yet: a send may be cancelled.
    unsent: VecDeque<Bytes>,
    /// Whether a part of the first frame is sent.
    is_begun: bool,
}

impl SocketWriter {
    async fn write_out(&mut self) -> Result<(), PeerGone> {
        poll_fn(|cx| self.poll_write_out(cx)).await
    }

    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PeerGone>> {
        while !self.unsent.is_empty() {
            let mut slices = [IoSlice::new(&[]); WRITE_BATCH];
            for (slice, frame) in slices.iter_mut().zip(&self.unsent) {
                *slice = IoSlice::new(frame);
            }
            let count = self.unsent.len().min(WRITE_BATCH);
            let written = ready!(self.writer.poll_write(cx, &slices[..count]))?;
            self.sent(written);
        }
        self.unsent = VecDeque::new();
        self.writer.poll_flush(cx)
    }

    fn sent(&mut self, mut bytes: usize) {
        while let Some(frame) = self.unsent.front_mut() {
            if bytes < frame.len() {
                frame.advance(bytes);
                self.is_begun |= bytes > 0;
                return;
            }
            bytes -= frame.len();
            self.unsent.pop_front();
            self.is_begun = false;
        }
    }
}

impl WriteTransport {
    /// Writes at least one byte.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize, PeerGone>> {
        match self {
            Self::Tcp(tcp) => loop {
                let written = tcp.write_now(slices)?;
                if written > 0 {
                    return Poll::Ready(Ok(written));
                }
                ready!(tcp.0.poll_write_ready(cx)).map_err(|_| PeerGone)?;
            },
            Self::Other(half) => Poll::Ready(
                match ready!(Pin::new(half).poll_write_vectored(cx, slices)) {
                    Ok(0) | Err(_) => Err(PeerGone),
                    Ok(written) => Ok(written),
                },
            ),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PeerGone>> {
        match self {
            Self::Tcp(_) => Poll::Ready(Ok(())),
            Self::Other(half) => Pin::new(half).poll_flush(cx).map_err(|_| PeerGone),
        }
    }
}

impl FrameSink for SocketWriter {
    async fn send(&mut self, frames: &mut Vec<Bytes>) -> Result<(), PeerGone> {
        self.unsent.extend(frames.drain(..));
        self.write_out().await
    }

    async fn close(&mut self, reason: CloseReason) {
        self.unsent.truncate(usize::from(self.is_begun));
        let (code, reason) = code_and_reason(reason);
        self.unsent.push_back(close(code, reason));
        // A peer that is gone needs no close frame.
        let _ = self.write_out().await;
    }

    fn direct(&self) -> Option<Arc<dyn DirectWrite>> {
        match &self.writer {
            WriteTransport::Tcp(tcp) => Some(tcp.clone()),
            WriteTransport::Other(_) => None,
        }
    }

    async fn writable(&mut self) -> Result<(), PeerGone> {
        match &self.writer {
            WriteTransport::Tcp(tcp) => tcp.0.writable().await.map_err(|_| PeerGone),
            WriteTransport::Other(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SCRATCH, TcpConnection};
    use std::future::poll_fn;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    async fn read(tcp: &TcpConnection) -> usize {
        let mut buffer = [0; SCRATCH];
        poll_fn(|cx| tcp.poll_read(cx, &mut buffer))
            .await
            .expect("read")
    }

    #[tokio::test]
    async fn bytes_of_any_length_and_the_end_of_the_stream_are_read() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let mut peer = TcpStream::connect(listener.local_addr().expect("an address"))
            .await
            .expect("connected");
        let tcp = TcpConnection(listener.accept().await.expect("accepted").0);
        for size in [1, SCRATCH, 1, SCRATCH - 1, SCRATCH, 2] {
            peer.write_all(&vec![7; size]).await.expect("written");
            let mut left = size;
            while left > 0 {
                left -= read(&tcp).await;
            }
        }
        peer.write_all(b"last").await.expect("written");
        peer.shutdown().await.expect("shut");
        assert_eq!(
            (read(&tcp).await, read(&tcp).await, read(&tcp).await),
            (4, 0, 0)
        );
    }
}
