//! A connection as this layer sees it: frames in, frames out, a close. What carries it is the transport's affair.

use bytes::Bytes;
use faceshare_biz::domain::instruction::CloseReason;
use std::future::Future;

/// What comes from a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A frame of the kind that the connection's wire format uses.
    Frame(Bytes),
    /// A frame of the other kind.
    WrongKind,
    /// Something that only says that the peer is there.
    Alive,
    /// A frame over the limit. Nothing more is read after it.
    TooLarge,
    /// Something that breaks the transport's own rules. Nothing more is read after it.
    Broken,
    /// The peer is gone, or has said goodbye.
    Gone,
}

/// The peer is gone: nothing more can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerGone;

/// The reading half.
pub trait FrameSource: Send + 'static {
    /// The next thing from the peer. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Incoming> + Send;
    /// Reads and throws away until the peer closes.
    fn discard(&mut self) -> impl Future<Output = ()> + Send;
}

/// The writing half.
pub trait FrameSink: Send + 'static {
    /// Writes all of `frames` (and empties it), in one go as far as the transport can.
    fn send(&mut self, frames: &mut Vec<Bytes>) -> impl Future<Output = Result<(), PeerGone>> + Send;
    /// Says goodbye.
    fn close(&mut self, reason: CloseReason) -> impl Future<Output = ()> + Send;
}
