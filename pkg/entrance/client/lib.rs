//! The client library of faceshare.
//!
//! [`Api`] makes the HTTP calls: sign up as a guest, create or join a session, and the other calls
//! of a session. [`stream::open`] keeps a point connected to the instruction stream: it answers
//! heartbeats, reconnects and resumes by itself, sends unanswered instructions again, and delivers
//! every ordered frame once and in order. [`SessionView`] applies those frames to the state that a
//! screen shows.
//!
//! Over https and wss the library brings its own TLS settings: nothing has to be installed first. A server's certificate is checked against
//! the roots that the system trusts.
//!
//! # Example
//!
//! ```no_run
#![doc = include_str!("examples/follow.rs")]
//! ```

pub mod api;
mod id;
pub mod stream;
mod tls;
mod view;

pub use api::{Api, ApiError, CallError};
pub use entrance_pack::Format;
/// The messages of the stream, made from `instruction.proto`.
pub use faceshare_api::v1;
pub use id::Id;
pub use stream::{Closed, Event, Events, Handle, ProtocolViolation, Rejected, Settings};
pub use view::SessionView;
