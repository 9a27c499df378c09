//! `GET /v1/instructions`: the instruction stream over WebSocket.
//!
//! - `upgrade`: which requests may open a stream, and how they are refused.
//! - `socket`: the reading and writing half of a WebSocket.
//! - `engine` (a crate of its own): what RFC 6455 asks of a server, without I/O.
//! - `codec` (a crate of its own, so that it can be fuzzed without the rest): the domain's frames in
//!   the two wire formats.

mod socket;
mod stream_permits;
mod upgrade;

pub use faceshare_codec::{WebSocketCodec, WireCodec};
pub use stream_permits::{StreamPermits, StreamQuotas};
pub use upgrade::{StreamState, routes};
