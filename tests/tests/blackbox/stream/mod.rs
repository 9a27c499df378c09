//! The instruction stream, in both subprotocols.

mod accounts;
mod actions;
mod answers;
mod bad_frames;
mod following;
mod handshake;
mod heartbeat;
mod many;
mod presence;
mod presenting;
mod resume;
mod welcome;
