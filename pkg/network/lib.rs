//! Identifies the peer: client addresses behind proxies, networks as keys, trustworthy hosts.
//!
//! - [`resolve`] finds the client's address and trusts a forwarding header only as far as
//!   [`TrustedProxies`] wrote it;
//! - [`address_key`] and [`network_key`] map an address to the key that limits are counted for;
//! - [`host_is_trustworthy`] tells whether a request's `Host` may go into a link.
//!
//! Addresses are handled in their canonical form: an IPv4 address mapped into IPv6 is that IPv4
//! address.

mod client;
mod forwarded;
mod host;
mod key;
mod trusted;

pub use client::{has_forwarding_header, is_loopback, resolve};
pub use host::host_is_trustworthy;
pub use key::{NetworkKey, address_key, network_key};
pub use trusted::{ProxyFault, TrustedProxies, TrustedProxyError};
