//! The domain: its types, its ports, its errors. Nothing here does I/O, knows a database or a wire
//! format, or reads a clock.
//!
//! A port is a trait beside the types it uses; its documentation states the obligations of an
//! adapter.

pub mod constants;
pub mod domain;
mod error;

pub use error::{Error, ErrorCode, Result, Violation};
