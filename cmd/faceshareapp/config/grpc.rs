//! `grpc.*`: the listener for other services of the platform.

use std::net::{Ipv4Addr, SocketAddr};

use super::{http::socket_addr, section::Section};

/// The gRPC listener.
#[derive(Debug, Clone)]
pub(crate) struct Grpc {
    /// Address and port. Port 0 takes a free one, which the log names.
    pub(crate) listen: SocketAddr,
}

impl Grpc {
    pub(super) fn read(keys: &mut Section<'_, '_>) -> Self {
        let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 9090));
        Self { listen: keys.text("listen", default, socket_addr, ToString::to_string) }
    }
}
