//! `grpc.*`: the listener for other services of the platform.

use std::net::SocketAddr;

use super::{http::optional_socket_addr, section::Section};

/// The gRPC listener.
#[derive(Debug, Clone)]
pub(crate) struct Grpc {
    /// Unset: no gRPC listener. Port 0 takes a free port, which the log names.
    pub(crate) listen: Option<SocketAddr>,
}

impl Grpc {
    pub(super) fn read(keys: &mut Section<'_, '_>) -> Self {
        let show = |listen: &Option<SocketAddr>| {
            listen.map(|listen| listen.to_string()).unwrap_or_default()
        };
        Self {
            listen: keys.text("listen", None, optional_socket_addr, show),
        }
    }
}
