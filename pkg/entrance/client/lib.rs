//! The client library of faceshare.
//!
//! [`Api`] makes the HTTP calls: sign up as a guest, create or join a session, and the other calls
//! of a session. [`stream::open`] keeps a point connected to the instruction stream: it answers
//! heartbeats, reconnects and resumes by itself, sends unanswered instructions again, and delivers
//! every ordered frame once and in order. [`SessionView`] applies those frames to the state that a
//! screen shows.
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
