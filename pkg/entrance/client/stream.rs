//! The stream half: one point kept connected to a session.
//!
//! [`open`] starts one task and gives a [`Handle`] to say things and [`Events`] to hear them. What the task promises:
//! - every ordered frame of an epoch arrives once and in order, across reconnects; what does not fit that is reported as a [`Fault`] and
//!   answered by a reconnect;
//! - an instruction sent with [`Handle::send`] is answered, and takes effect once, even when the connection broke in between;
//! - it reconnects after every close that the contract lets a client resume from, and after no other;
//! - it stops when every handle is dropped, when [`Events`] is dropped, or after [`Event::Closed`], which is always the last event.
//!
//! Every queue is bounded. Keep reading events while you wait for an answer: with the event queue full nothing is read from the socket.

pub(crate) mod backoff;
mod driver;
mod handle;
mod link;
mod order;
mod outbox;
mod policy;
mod tokens;

pub use backoff::Jitter;
pub use handle::{Events, Handle, Rejected, open};
pub use order::Fault;
pub use tokens::{SessionTokens, TokenSource};

use crate::ApiError;
use entrance_pack::Format;
use faceshare_api::v1::{ServerFrame, Welcome};
use faceshare_api::wellknown::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// How much longer than one heartbeat interval silence is borne, as the contract has it.
const SILENCE_BEYOND_INTERVAL: Duration = Duration::from_secs(10);

/// What a connection needs to know.
pub struct Settings {
    /// The `websocketUrl` of the answer that let this point in.
    pub url: String,
    /// The session token.
    pub token: String,
    /// How frames are written.
    pub format: Format,
    /// Where to get another token; without it, a token that is over ends the connection.
    pub tokens: Option<Arc<dyn TokenSource>>,
    /// Draws a delay from a bound; full jitter unless told otherwise.
    pub jitter: Jitter,
    /// How long after a missed heartbeat the connection counts as dead; 10 s in the contract.
    pub patience: Duration,
}

impl Settings {
    /// With the contract's times.
    #[must_use]
    pub fn new(url: impl Into<String>, token: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token: token.into(),
            format: Format::default(),
            tokens: None,
            jitter: backoff::full_jitter(),
            patience: SILENCE_BEYOND_INTERVAL,
        }
    }

    /// In this format.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// With a source of fresh tokens.
    #[must_use]
    pub fn tokens(mut self, tokens: Arc<dyn TokenSource>) -> Self {
        self.tokens = Some(tokens);
        self
    }
}

/// What happens to a connection.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Connected: for the first time, or again.
    Welcome {
        /// When the server said it.
        at: Option<Timestamp>,
        /// Holds a snapshot unless `resumed`.
        welcome: Box<Welcome>,
    },
    /// A frame, answers and heartbeats included; a fresh session token is kept by the task and blank here.
    Frame(Box<ServerFrame>),
    /// The server refused an instruction for now (`UNAVAILABLE`, `RATE_LIMITED`); it is sent again by itself.
    Retrying {
        /// One of the contract's codes.
        code: String,
        /// For people.
        detail: String,
        /// Until it is sent again.
        delay: Duration,
    },
    /// How long a ping took to come back.
    RoundTrip(Duration),
    /// The server broke its promise on order or form; a reconnect follows.
    Fault(Fault),
    /// Not connected; trying again after `delay`.
    Reconnecting {
        /// The how many-th try since the last welcome, from 1.
        attempt: u32,
        /// Until the try.
        delay: Duration,
        /// Why the last connection ended; safe to show.
        why: String,
    },
    /// Over, for good. The last event.
    Closed(Closed),
}

/// Why a connection is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The WebSocket close code; where an HTTP answer said it instead, the code that means the same (4001, 4003, 4010, 4029; 4000 for a
    /// request that the server does not understand).
    pub code: u16,
    /// Short and safe to show.
    pub reason: String,
    /// The HTTP answer, if it was one.
    pub refusal: Option<Box<ApiError>>,
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
