//! A connection as this layer sees it: frames in, frames out, a close. What carries it is the transport's affair.

use bytes::Bytes;
use faceshare_biz::domain::instruction::CloseReason;
use std::fmt::Debug;
use std::future::{Future, ready};
use std::io::IoSlice;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// What comes from a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A frame of the kind that the connection's wire format uses.
    Frame(Bytes),
    /// A frame of the other kind.
    WrongKind,
    /// Something that only says that the peer is there.
    Alive,
    /// The transport asks whether this side is there; this is the answer, as it is written.
    Probe(Bytes),
    /// A frame over the limit. Nothing more is read after it.
    TooLarge,
    /// Something that breaks the transport's own rules. Nothing more is read after it.
    Broken,
    /// The peer says goodbye; this is the answer, as it is written. Nothing more is read after it.
    CloseFrame(Bytes),
    /// The peer is gone.
    Gone,
}

/// The peer is gone: nothing more can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerGone;

/// The reading half.
pub trait FrameSource: Send + 'static {
    /// The next thing from the peer. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Incoming> + Send;
    /// Whether the next thing is here already.
    fn has_more(&self) -> bool;
    /// Reads and throws away until the peer closes.
    fn discard(&mut self) -> impl Future<Output = ()> + Send;
}

/// The writing half.
pub trait FrameSink: Send + 'static {
    /// Writes all of `frames` (and empties it), in one go as far as the transport can. The first may be the rest of one that has begun.
    fn send(
        &mut self,
        frames: &mut Vec<Bytes>,
    ) -> impl Future<Output = Result<(), PeerGone>> + Send;
    /// Says goodbye. Of what an interrupted [`send`](Self::send) has left, only a frame that has begun still goes before it.
    fn close(&mut self, reason: CloseReason) -> impl Future<Output = ()> + Send;
    /// A way to write past this half while it rests, for transports that can tell at once how much they take.
    fn direct(&self) -> Option<Arc<dyn DirectWrite>> {
        None
    }
    /// Completes when a direct write may take more than the last one did.
    fn writable(&mut self) -> impl Future<Output = Result<(), PeerGone>> + Send {
        ready(Ok(()))
    }
}

/// Writing without waiting.
pub trait DirectWrite: Debug + Send + Sync {
    /// Writes of these frames, in order, what the transport takes at once. How many bytes that was; fewer than all: it takes no more now.
    ///
    /// # Errors
    /// [`PeerGone`] when it will never take more.
    fn write_now(&self, frames: &[IoSlice<'_>]) -> Result<usize, PeerGone>;

    /// The socket itself, where frames can be sent as they are by anybody who keeps the transport: non-blocking, the same one for as long as
    /// the transport lives, and with nothing buffered in front of it. [`write_now`](Self::write_now) is asked when it takes nothing, and
    /// sees to it that the task learns when it takes more.
    fn socket(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
