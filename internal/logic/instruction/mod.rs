//! The instruction stream: sessions as replicated logs, and the connections that listen to them.
//!
//! ```text
//! socket ── connclient ── Request ──> session actor ── step ── append to the log ── commit ── encode once ──> every point's outbound queue
//! ```
//!
//! - `session`: the actor around the kernel. Frames leave it only after the log has them.
//! - `connclient`: one connection; reads, writes, heartbeats, closes.
//! - `fanout`: who is shown what, and `prefetch`, which has it at hand in time.
//! - `mgr::pointmemmgr`: the points connected to this process.
//! - `revoked`, `profiles`: what happens to an account reaches its connections.
//! - `sessions`: finds, loads and keeps the actors.

mod codec;
pub mod connclient;
mod fanout;
pub mod mgr;
mod prefetch;
mod profiles;
mod recent;
mod replay;
mod revoked;
mod session;
mod sessions;
mod settings;
#[cfg(test)]
mod tests;
mod window;

pub use revoked::CloseRevoked;
pub use session::{
    Connected, MemberAccess, Missed, Opening, RenderedSession, SessionHandle, SessionView,
};
pub use sessions::{SessionDeps, SessionObserver, Sessions};
pub use settings::{ResumeBounds, StreamSettings};

pub use faceshare_exec as exec;
