//! Where a call comes from.

use std::net::IpAddr;

/// The origin of a call, by which limits count. The transport that builds it decides how far an
/// address can be trusted. Personal data: never logged, never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Site {
    /// An address of IPv4, or the /64 of IPv6 that one household or device has to itself.
    pub address: IpAddr,
    /// The /24 of IPv4 or /56 of IPv6 around it.
    pub network: IpAddr,
}
