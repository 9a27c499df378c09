//! `GET /v1/instructions`: the instruction stream over WebSocket.
//!
//! - `upgrade`: who may come in, and how refusals are told.
//! - `socket`: a WebSocket as the connection client sees it.
//! - `codec`: the domain's frames in the two wire formats.

mod codec;
mod socket;
mod upgrade;

pub use codec::WireCodec;
pub use upgrade::{StreamState, routes};
