//! `GET /v1/instructions`: the instruction stream over WebSocket.
//!
//! - `upgrade`: who may come in, and how refusals are told.
//! - `socket`: a WebSocket as the connection client sees it.
//! - `engine` (a crate of its own): what RFC 6455 asks of a server, without I/O.
//! - `codec` (a crate of its own, so that it can be fuzzed without the rest): the domain's frames in the two wire formats.

mod places;
mod socket;
mod upgrade;

pub use faceshare_codec::{WebSocketCodec, WireCodec};
pub use places::StreamPlaces;
pub use upgrade::{StreamState, routes};
