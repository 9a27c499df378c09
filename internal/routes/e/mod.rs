//! Domain errors on their way out: one exhaustive map for each transport, so that the same failure reads the same everywhere.

pub mod close;
pub mod grpc;
pub mod http;

pub use http::HttpError;
