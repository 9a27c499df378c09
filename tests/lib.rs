//! Fixtures of the black-box tests: a server in its own process, and clients that can send it
//! anything.
//!
//! Nothing here uses the code under test except the generated wire types: a
//! [`Socket`](socket::Socket) neither reconnects, nor answers heartbeats unless asked to, nor hides
//! a frame, so that a test sees exactly what the server did. Tests of reconnecting use a
//! [`ReconnectingClient`](reconnecting::ReconnectingClient). Every wait is for a condition (a
//! frame, a line of the log, an exit) and has a deadline ([`DEADLINE`]).

use std::time::Duration;

pub mod event_log;
pub mod flood;
pub mod http;
pub mod meeting;
pub mod picture;
pub mod programs;
pub mod pty;
pub mod random;
pub mod reconnecting;
pub mod server;
pub mod shape;
pub mod socket;
pub mod terminal;

/// How long a test waits for an expected event: far longer than any step takes, even on two busy
/// cores.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The subprotocol that a test speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Protobuf in binary frames.
    Proto,
    /// Canonical JSON in text frames.
    Json,
}

impl Format {
    /// The name in `Sec-WebSocket-Protocol`.
    #[must_use]
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::Proto => faceshare_api::SUBPROTOCOL_PROTO,
            Self::Json => faceshare_api::SUBPROTOCOL_JSON,
        }
    }

    /// The value of `--format` of the client in another language.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Proto => "proto",
            Self::Json => "json",
        }
    }
}

/// Defines two tests for each named async function, one for each subprotocol: `proto::name` and
/// `json::name`.
#[macro_export]
macro_rules! in_both_formats {
    ($($name:ident),* $(,)?) => {
        mod proto {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::Format::Proto).await;
            })*
        }
        mod json {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::Format::Json).await;
            })*
        }
    };
}
