//! The traits of a connection's two halves: frames in, frames out, a close. The transport
//! implements them.

use bytes::Bytes;
use faceshare_biz::domain::instruction::CloseReason;
use std::fmt::Debug;
use std::future::{Future, ready};
use std::io::IoSlice;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// One input from the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A frame of the kind that the connection's wire format uses.
    Frame(Bytes),
    /// A frame of the kind (text or binary) that the wire format does not use.
    WrongKind,
    /// Input without a frame, which shows that the peer is alive: a pong, or a part of a fragmented
    /// frame.
    Alive,
    /// A ping; with the encoded pong.
    Probe(Bytes),
    /// A frame over the size limit. Nothing is read after it.
    TooLarge,
    /// A violation of the transport's protocol. Nothing is read after it.
    Broken,
    /// The peer's close frame; with the encoded close frame that answers it. Nothing is read after
    /// it.
    CloseFrame(Bytes),
    /// The connection has ended.
    Gone,
}

/// The peer is gone: nothing more can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerGone;

/// The reading half.
pub trait FrameSource: Send + 'static {
    /// The next input from the peer. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Incoming> + Send;
    /// Whether the next input has already arrived.
    fn has_more(&self) -> bool;
    /// Reads and drops input until the peer closes.
    fn discard(&mut self) -> impl Future<Output = ()> + Send;
}

/// The writing half.
pub trait FrameSink: Send + 'static {
    /// Writes all of `frames` and empties it, in as few writes as the transport can. The first may
    /// be the rest of a partly written frame.
    fn send(
        &mut self,
        frames: &mut Vec<Bytes>,
    ) -> impl Future<Output = Result<(), PeerGone>> + Send;
    /// Sends a close frame. If a [`send`](Self::send) was interrupted, the rest of a partly written
    /// frame is sent first and other frames are dropped.
    fn close(&mut self, reason: CloseReason) -> impl Future<Output = ()> + Send;
    /// A way to write while this half is idle; `None` if the transport cannot report at once how
    /// much it takes.
    fn direct(&self) -> Option<Arc<dyn DirectWrite>> {
        None
    }
    /// Completes when a direct write may take more than the last one did.
    fn writable(&mut self) -> impl Future<Output = Result<(), PeerGone>> + Send {
        ready(Ok(()))
    }
}

/// Non-blocking writes.
pub trait DirectWrite: Debug + Send + Sync {
    /// Writes these frames, in order, as far as the transport takes them at once. Returns the
    /// number of bytes; if it is less than all, the transport takes no more now.
    ///
    /// # Errors
    /// [`PeerGone`] when the connection has ended.
    fn write_now(&self, frames: &[IoSlice<'_>]) -> Result<usize, PeerGone>;

    /// The socket, if frames can be sent on it unchanged: non-blocking, the same one for as long as
    /// the transport lives, and with no buffered bytes before it. When the socket takes nothing,
    /// the caller calls [`write_now`](Self::write_now), which registers the task to be woken when
    /// it takes more.
    fn socket(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
