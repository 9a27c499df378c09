//! Metrics of outgoing HTTP clients.
//!
//! [`MeteredClient`] sends requests through a `reqwest::Client` and records, through the `metrics`
//! facade:
//!
//! | name | kind | labels |
//! | --- | --- | --- |
//! | [`REQUESTS_TOTAL`] | counter | `client`, `operation`, `status` |
//! | [`REQUEST_DURATION_SECONDS`] | histogram, seconds to the response's head | `client`, `operation` |
//! | [`REQUESTS_IN_FLIGHT`] | gauge | `client`, `operation` |
//!
//! `status` is the response's number, or `timeout`, `connect`, `error` (any other failure), or
//! `cancelled` when the caller dropped the request before its response came. Labels are never taken
//! from a URL, so the code bounds their number.

mod client;
mod flight;

pub use client::MeteredClient;
pub use flight::{REQUEST_DURATION_SECONDS, REQUESTS_IN_FLIGHT, REQUESTS_TOTAL, describe};

#[cfg(test)]
mod recorder;
