//! The stream half: keeps one point connected to a session.
//!
//! [`open`] starts one task and returns a [`Handle`] to send instructions and [`Events`] to receive
//! frames. The task guarantees:
//! - every ordered frame of an epoch arrives once and in order, across reconnects; a violation of
//!   this is reported as a [`ProtocolViolation`] and followed by a reconnect;
//! - an instruction sent with [`Handle::send`] is answered, and takes effect once, even if the
//!   connection breaks in between;
//! - it reconnects after every close that the contract allows a client to resume from, and after no
//!   other;
//! - it stops when every handle is dropped, when [`Events`] is dropped, or after [`Event::Closed`],
//!   which is always the last event.
//!
//! Every queue is bounded. Keep reading events while you wait for an answer: while the event queue
//! is full nothing is read from the socket.

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
pub use order::ProtocolViolation;
pub use tokens::{SessionTokens, TokenSource};

use crate::ApiError;
use entrance_pack::Format;
use faceshare_api::v1::{ServerFrame, Welcome};
use faceshare_api::wellknown::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// How long the server may stay silent beyond one heartbeat interval, as the contract says.
const SILENCE_BEYOND_INTERVAL: Duration = Duration::from_secs(10);

/// The settings of a connection.
pub struct Settings {
    /// The `websocketUrl` of the answer that admitted this point.
    pub url: String,
    /// The session token.
    pub token: String,
    /// The encoding of frames.
    pub format: Format,
    /// Source of further tokens; without it, an expired token ends the connection.
    pub tokens: Option<Arc<dyn TokenSource>>,
    /// Draws a delay from a bound; full jitter by default.
    pub jitter: Jitter,
    /// How long after a missed heartbeat the connection counts as dead; 10 s in the contract.
    pub patience: Duration,
}

impl Settings {
    /// Uses the contract's times and no token source.
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

    /// Sets the encoding of frames.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Sets the source of further tokens.
    #[must_use]
    pub fn tokens(mut self, tokens: Arc<dyn TokenSource>) -> Self {
        self.tokens = Some(tokens);
        self
    }
}

/// An event of a connection.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Connected or reconnected.
    Welcome {
        /// The server's time of the frame.
        at: Option<Timestamp>,
        /// Holds a snapshot unless `resumed`.
        welcome: Box<Welcome>,
    },
    /// A frame, including answers and heartbeats. A renewed session token is removed from it and
    /// kept by the task.
    Frame(Box<ServerFrame>),
    /// The server refused an instruction for now (`UNAVAILABLE`, `RATE_LIMITED`); the library sends it again.
    Retrying {
        /// One of the contract's codes.
        code: String,
        /// Text for people.
        detail: String,
        /// Time until it is sent again.
        delay: Duration,
    },
    /// Time from a ping to its pong.
    RoundTrip(Duration),
    /// The server violated the order or form of frames; a reconnect follows.
    ProtocolViolation(ProtocolViolation),
    /// Not connected; the next try follows after `delay`.
    Reconnecting {
        /// Number of tries since the last welcome, from 1.
        attempt: u32,
        /// Time until the try.
        delay: Duration,
        /// Why the last connection ended; safe to show.
        why: String,
    },
    /// The connection has ended for good. The last event.
    Closed(Closed),
}

/// Why a connection has ended for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The WebSocket close code. If an HTTP answer ended the connection, the code with the same
    /// meaning (4001, 4003, 4010, 4029; 4000 for a request that the server does not understand).
    pub code: u16,
    /// A short text, safe to show.
    pub reason: String,
    /// The HTTP answer that ended the connection, if any.
    pub refusal: Option<Box<ApiError>>,
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
