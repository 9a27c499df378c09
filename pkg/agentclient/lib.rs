//! HTTP client of the services that the server depends on: drive, encs, notify.
//!
//! [`AgentClient`] makes one kind of call for all of them:
//! - Each attempt is signed ([`wps2sign`]) and carries `Content-Type` and `X-Request-Id`.
//! - A call ends within [`AgentSettings::timeout`], its retries and its JSON answer included. A
//!   body that is streamed, in either direction, is bounded by [`AgentSettings::idle`] without a
//!   byte instead.
//! - GET, HEAD, PUT, DELETE and calls that are marked safe are retried with jitter.
//! - After [`AgentSettings::breaker_failures`] failed calls in a row, calls fail at once for
//!   [`AgentSettings::breaker_open`]; then one call goes through and decides.
//! - Redirects and proxies of the environment are not followed; a JSON answer has at most
//!   [`MAX_ANSWER_BYTES`].
//!
//! Every failure is an [`AgentError`]: the service cannot be used now, and the caller may try again
//! after [`AgentError::retry_after`]. The error names no secret and no URL.
//!
//! A process that calls `https` URLs installs a provider of cryptography for rustls first.

mod body;
mod breaker;
mod call;
mod client;
mod error;
mod settings;
#[cfg(feature = "testing")]
pub mod testing;

pub use body::{FileBody, ReplyBody};
pub use call::{Call, CallBody};
pub use client::{AgentClient, Clock, Reply};
pub use error::{AgentError, Failure};
pub use settings::{AgentSettings, SettingsError};
pub use wps2sign::Scheme;

/// The most bytes of a JSON answer.
pub const MAX_ANSWER_BYTES: usize = 1024 * 1024;
