//! The server's side of RFC 6455 after the handshake, without I/O: client bytes in, messages out,
//! and frames ready to be written.
//!
//! - `receiver`: reads a client's bytes, however they are split; holds no buffer while the client
//!   is quiet.
//! - `frame`: headers, and complete frames of the server.
//! - `mask`: the masking of clients' payloads.
//! - `close`: close frames.
//!
//! No extension is supported, so the reserved bits must be zero. Lengths are checked against the
//! limit before memory is allocated.

mod close;
mod frame;
mod handshake;
mod mask;
mod receiver;
#[cfg(test)]
mod tests;

pub use close::CloseFrame;
pub use frame::{HEADER_MAX, MessageKind, close, frame, pong, prefixed};
pub use handshake::accept_key;
pub use receiver::{Event, Receiver, Violation};
