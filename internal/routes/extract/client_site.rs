//! The address and network that limits count a request under.

use crate::middleware::rate::ClientAddress;
use axum::extract::FromRequestParts;
use faceshare_biz::domain::Site;
use http::request::Parts;
use network::{address_key, network_key};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

/// The address and network of a request's client. Requests without an address share one site;
/// listeners always set one.
#[derive(Debug, Clone, Copy)]
pub struct ClientSite(pub Site);

impl ClientSite {
    /// Reads the address that the outermost layer resolved.
    pub fn of(extensions: &http::Extensions) -> Self {
        let address = ClientAddress::of(extensions)
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |client| client.0);
        Self(Site {
            address: address_key(address),
            network: network_key(address).first(),
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ClientSite {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.extensions))
    }
}
