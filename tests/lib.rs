//! What the black-box tests stand on: a server in a process of its own, and a client that can say anything to it.
//!
//! Nothing here uses the code under test but the generated wire types: a [`Socket`](socket::Socket) neither reconnects, nor answers heartbeats
//! unless asked to, nor hides a frame, so that a test sees exactly what the server did. Where coming back is the point there is a
//! [`Traveller`](traveller::Traveller). Every wait has a deadline ([`DEADLINE`]) and is for something: a frame, a line
//! of the log, an exit.

use std::time::Duration;

pub mod chance;
pub mod flood;
pub mod http;
pub mod ledger;
pub mod meeting;
pub mod picture;
pub mod programs;
pub mod pty;
pub mod server;
pub mod shape;
pub mod socket;
pub mod terminal;
pub mod traveller;

/// How long a test waits for what must happen: far beyond what any step takes, even on two busy cores.
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
    /// Its name in `Sec-WebSocket-Protocol`.
    #[must_use]
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::Proto => faceshare_api::SUBPROTOCOL_PROTO,
            Self::Json => faceshare_api::SUBPROTOCOL_JSON,
        }
    }

    /// As the foreign client's `--format` names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Proto => "proto",
            Self::Json => "json",
        }
    }
}

/// Makes a test of each named async function, once for each subprotocol: `proto::name` and `json::name`.
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
