//! What the fuzz targets check: the reading of frames (`frames`) and the session kernel (`session`).
//!
//! A check that does not hold panics, which libFuzzer reports together with the input. `story` turns bytes into things that happen to a
//! session, `wire` and `client` look at what is told of them, as a program at the other end would.

mod client;
pub mod frames;
pub mod session;
pub mod story;
mod truths;
mod wire;
