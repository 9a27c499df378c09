//! Listeners. They are bound first, so that the addresses are known before any request is served,
//! and drained at the end, within a bound.
//!
//! The caller calls [`Listeners::bind`], reads [`Listeners::addresses`] and then awaits
//! [`Listeners::serve`], which returns when [`Lifecycle`] ends. Listeners are essential [`Jobs`]: the
//! process drains when one fails.

mod admission;
mod answer;
mod connection;
mod jobs;
mod lifecycle;
mod listener;
mod request_body;
mod server;
mod table;
mod tls;
mod usage;

pub use admission::ConnectionLimits;
pub use connection::ConnectionPolicy;
pub use jobs::Jobs;
pub use lifecycle::{Lifecycle, Signals};
pub use server::{Addresses, Bind, Listeners, ServerError, Services};
pub use tls::{Tls, TlsError};
