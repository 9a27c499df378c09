//! The domain: its types, its ports, its errors. Nothing here does I/O, knows a database or a wire format, or reads a clock.
//!
//! A port (a trait in a `port.rs`) stands beside the types it speaks of; its documentation states what an adapter owes.

pub mod constants;
pub mod domain;
mod error;

pub use error::{Error, ErrorCode, Result, Violation};
