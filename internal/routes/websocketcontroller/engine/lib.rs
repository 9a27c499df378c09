//! The server's side of RFC 6455 after the handshake, without any I/O: bytes in, messages out, and frames ready to be written.
//!
//! - `receiver`: what a client's bytes say, however they are split; holds nothing while the client is quiet.
//! - `frame`: headers, and whole frames of the server's.
//! - `mask`: what clients veil their payload with.
//! - `close`: the last words of either side.
//!
//! No extension is spoken, so the reserved bits must be zero. Lengths are held against the limit before anything is allocated.

mod close;
mod frame;
mod handshake;
mod mask;
mod receiver;
#[cfg(test)]
mod tests;

pub use close::Goodbye;
pub use frame::{HEADER_MAX, Kind, close, frame, pong, prefixed};
pub use handshake::accept_key;
pub use receiver::{Event, Receiver, Violation};
