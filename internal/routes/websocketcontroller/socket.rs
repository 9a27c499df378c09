//! A WebSocket as the connection client sees it: the sans-I/O engine of `faceshare-websocket` over what hyper has upgraded.
//!
//! A plain TCP connection is taken back from hyper and shared: both halves use it without a lock, and whoever has something to say can write it
//! at once. Anything else (TLS) is split, and written by its own task alone.
//!
//! Frames to send come with their header, put there when they were encoded. Reading goes through a scratch of the thread: a connection has no
//! buffer of its own.

use crate::e::close::code_and_reason;
use crate::unreadable::Documented;
use bytes::{Buf, Bytes};
use faceshare_biz::domain::instruction::{CloseReason, WireFormat};
use faceshare_logic::instruction::connclient::{
    DirectWrite, FrameSink, FrameSource, Incoming, PeerGone,
};
use faceshare_websocket::{Event, Kind, Receiver, Violation, close, pong};
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

/// Bytes read at a time.
const SCRATCH: usize = 4096;
/// Frames written in one go at most.
const MANY: usize = 64;

thread_local! {
    /// What the connection that is being read has sent.
    static READ: RefCell<[u8; SCRATCH]> = const { RefCell::new([0; SCRATCH]) };
}

/// Takes over an upgraded connection; its two halves.
pub(super) fn accept(upgraded: Upgraded, format: WireFormat, frame_max: usize) -> (Source, Sink) {
    let (reader, writer, ahead) = match downcast::<TokioIo<Documented<TcpStream>>>(upgraded) {
        Ok(parts) => {
            let tcp = Arc::new(Tcp(parts.io.into_inner().into_inner()));
            (Reader::Tcp(tcp.clone()), Writer::Tcp(tcp), parts.read_buf)
        }
        Err(upgraded) => {
            let (reader, writer) = tokio::io::split(TokioIo::new(upgraded));
            (Reader::Other(reader), Writer::Other(writer), Bytes::new())
        }
    };
    let mut source = Source {
        reader,
        receiver: Receiver::new(frame_max),
        format,
        first: None,
        more: VecDeque::new(),
        goodbye: false,
        broken: false,
    };
    if !ahead.is_empty() {
        // What hyper has read beyond the handshake.
        source.receive(&mut ahead.to_vec());
    }
    (
        source,
        Sink {
            writer,
            unsent: VecDeque::new(),
            begun: false,
        },
    )
}

/// Where bytes come from.
enum Reader {
    Tcp(Arc<Tcp>),
    Other(ReadHalf<TokioIo<Upgraded>>),
}

impl Reader {
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
pub(super) struct Source {
    reader: Reader,
    receiver: Receiver,
    format: WireFormat,
    /// What has been read and not been looked at: mostly one thing at a time, for which no queue is made.
    first: Option<Incoming>,
    more: VecDeque<Incoming>,
    /// The peer has said goodbye.
    goodbye: bool,
    /// The stream cannot be read as frames any more.
    broken: bool,
}

impl Source {
    fn incoming(format: WireFormat, event: Event) -> Incoming {
        match (event, format) {
            (Event::Close(close), _) => Incoming::CloseFrame(close.answer()),
            (Event::Ping(payload), _) => Incoming::Probe(pong(&payload)),
            (Event::Pong | Event::Nothing, _) => Incoming::Alive,
            (Event::Message(Kind::Text, text), WireFormat::Json) => Incoming::Frame(text),
            (Event::Message(Kind::Binary, bytes), WireFormat::Proto) => Incoming::Frame(bytes),
            (Event::Message(..), _) => Incoming::WrongKind,
        }
    }

    fn receive(&mut self, bytes: &mut [u8]) {
        let Self {
            receiver,
            format,
            first,
            more,
            goodbye,
            broken,
            ..
        } = self;
        let mut put = |incoming| {
            if first.is_none() && more.is_empty() {
                *first = Some(incoming);
            } else {
                more.push_back(incoming);
            }
        };
        let received = receiver.receive(bytes, |event| {
            *goodbye |= matches!(event, Event::Close(_));
            put(Self::incoming(*format, event));
        });
        if let Err(violation) = received {
            *broken = true;
            put(match violation {
                Violation::TooLarge => Incoming::TooLarge,
                Violation::Protocol(_) | Violation::NotUtf8 => Incoming::Broken,
            });
        }
    }

    /// What was read and not been looked at.
    fn take(&mut self) -> Option<Incoming> {
        let next = self.first.take().or_else(|| self.more.pop_front());
        if self.more.is_empty() && self.more.capacity() > 0 {
            self.more = VecDeque::new();
        }
        next
    }

    /// Reads once; `false`: there is no more.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        READ.with_borrow_mut(|scratch| {
            let read = ready!(self.reader.poll_read(cx, scratch)).unwrap_or(0);
            if read == 0 {
                return Poll::Ready(false);
            }
            if !self.broken {
                self.receive(&mut scratch[..read]);
            }
            Poll::Ready(true)
        })
    }
}

impl FrameSource for Source {
    async fn next(&mut self) -> Incoming {
        loop {
            if let Some(incoming) = self.take() {
                return incoming;
            }
            if !poll_fn(|cx| self.poll_read(cx)).await {
                return Incoming::Gone;
            }
        }
    }

    fn has_more(&self) -> bool {
        self.first.is_some() || !self.more.is_empty()
    }

    async fn discard(&mut self) {
        // What breaks the rules is read on, or the kernel answers it with a reset that can overtake the close frame.
        while !self.goodbye && poll_fn(|cx| self.poll_read(cx)).await {
            while self.take().is_some() {}
        }
    }
}

/// A TCP connection. Reads and writes need no exclusive access; that writes do not mix is the outbound queue's affair.
#[derive(Debug)]
struct Tcp(TcpStream);

impl Tcp {
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<std::io::Result<usize>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            let mut taken = None;
            let more = self.0.try_io(Interest::READABLE, || {
                let read = (&*SockRef::from(&self.0)).read(buffer)?;
                taken = Some(read);
                // Less than there is place for was all there is. To say so spares the call of the system that would find that out. It takes
                // readiness that is told by its edges; others than Linux are not worth a case.
                if cfg!(target_os = "linux") && read > 0 && read < buffer.len() {
                    Err(ErrorKind::WouldBlock.into())
                } else {
                    Ok(())
                }
            });
            match (taken, more) {
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

impl DirectWrite for Tcp {
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

/// Where bytes go.
enum Writer {
    Tcp(Arc<Tcp>),
    Other(WriteHalf<TokioIo<Upgraded>>),
}

/// The writing half.
pub(super) struct Sink {
    writer: Writer,
    /// What was to be sent and is not: a send may be interrupted.
    unsent: VecDeque<Bytes>,
    /// A part of the first of it is sent.
    begun: bool,
}

impl Sink {
    async fn write_out(&mut self) -> Result<(), PeerGone> {
        poll_fn(|cx| self.poll_write_out(cx)).await
    }

    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PeerGone>> {
        while !self.unsent.is_empty() {
            let mut slices = [IoSlice::new(&[]); MANY];
            for (slice, frame) in slices.iter_mut().zip(&self.unsent) {
                *slice = IoSlice::new(frame);
            }
            let count = self.unsent.len().min(MANY);
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
                self.begun |= bytes > 0;
                return;
            }
            bytes -= frame.len();
            self.unsent.pop_front();
            self.begun = false;
        }
    }
}

impl Writer {
    /// Writes some of it; at least something.
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

impl FrameSink for Sink {
    async fn send(&mut self, frames: &mut Vec<Bytes>) -> Result<(), PeerGone> {
        self.unsent.extend(frames.drain(..));
        self.write_out().await
    }

    async fn close(&mut self, reason: CloseReason) {
        self.unsent.truncate(usize::from(self.begun));
        let (code, reason) = code_and_reason(reason);
        self.unsent.push_back(close(code, reason));
        // A peer that is gone needs no goodbye.
        let _ = self.write_out().await;
    }

    fn direct(&self) -> Option<Arc<dyn DirectWrite>> {
        match &self.writer {
            Writer::Tcp(tcp) => Some(tcp.clone()),
            Writer::Other(_) => None,
        }
    }

    async fn writable(&mut self) -> Result<(), PeerGone> {
        match &self.writer {
            Writer::Tcp(tcp) => tcp.0.writable().await.map_err(|_| PeerGone),
            Writer::Other(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SCRATCH, Tcp};
    use std::future::poll_fn;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    async fn read(tcp: &Tcp) -> usize {
        let mut buffer = [0; SCRATCH];
        poll_fn(|cx| tcp.poll_read(cx, &mut buffer))
            .await
            .expect("read")
    }

    #[tokio::test]
    async fn what_comes_is_read_however_it_fits_and_so_is_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let mut peer = TcpStream::connect(listener.local_addr().expect("an address"))
            .await
            .expect("connected");
        let tcp = Tcp(listener.accept().await.expect("accepted").0);
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
