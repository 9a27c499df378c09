//! Maps domain errors to each transport. One exhaustive map per transport, so that the same failure
//! reads the same everywhere.

pub mod close;
pub mod grpc;
pub mod http;

pub use http::HttpError;
