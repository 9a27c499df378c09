//! The client library of faceshare.
//!
//! [`Api`] makes the HTTP calls: sign up as a guest, create or enter a session, and the rest of what a session can be asked over HTTP.
//! [`stream::open`] keeps a point connected to the instruction stream: it answers heartbeats, reconnects and resumes by itself, sends what was
//! unanswered again, and gives every ordered frame once and in order. [`SessionView`] turns those frames into what a screen shows.
//!
//! TLS needs a process-wide provider: call `rustls::crypto::ring::default_provider().install_default()` first thing in `main`.

pub mod api;
mod id;
pub mod stream;
mod view;

pub use api::{Api, ApiError, CallError};
pub use entrance_pack::Format;
pub use id::Id;
pub use stream::{Closed, Event, Events, Fault, Handle, Rejected, Settings};
pub use view::SessionView;
