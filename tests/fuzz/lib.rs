//! What the fuzz targets check: the reading of frames (`frames`) and the session kernel
//! (`session`).
//!
//! A check that fails panics, and libFuzzer reports the input. `story` turns bytes into operations
//! on a session, `wire` and `client` read the frames that come of them as a remote client does, and
//! `invariants` checks the state after every entry.

mod client;
pub mod frames;
mod invariants;
pub mod session;
pub mod story;
mod wire;
