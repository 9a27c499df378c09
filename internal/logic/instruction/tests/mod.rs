//! The real actor, sessions and connections, over a log that fails when told, a codec that shows
//! the frames themselves, and sockets whose other end is a test.
//!
//! Time is tokio's paused time: it moves when nothing else can happen, so "settled" means that
//! everything that follows has followed.

mod actions;
mod closing;
mod codec;
mod commit;
mod ended;
mod epochs;
mod failures;
mod fixture;
mod limits;
mod log;
mod panics;
mod points;
mod resume;
mod slow;
mod socket;
mod time;
