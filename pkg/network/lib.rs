//! Identifies peers and pages: client addresses behind proxies, networks as keys of limits,
//! trustworthy hosts, origins, the names of this machine.
//!
//! - [`resolve`] finds the client's address and trusts a forwarding header only as far as
//!   [`TrustedProxies`] wrote it;
//! - [`address_key`], [`network_key`] and [`prefix_key`] map an address to what limits are counted
//!   for;
//! - [`host_is_well_formed`] and [`host_is_trustworthy`] tell whether a request's `Host` is one, and
//!   whether it may go into a link;
//! - [`Origin`] compares the origins of pages;
//! - [`LocalMachine`] knows the names and addresses of the machine that the process runs on.
//!
//! Addresses are handled in their canonical form: an IPv4 address mapped into IPv6 is that IPv4
//! address.

mod client;
mod forwarded;
mod host;
mod key;
mod machine;
mod origin;
mod trusted;

pub use client::{has_forwarding_header, is_loopback, resolve};
pub use host::{host_is_trustworthy, host_is_well_formed};
pub use key::{NetworkKey, address_key, network_key, prefix_key};
pub use machine::LocalMachine;
pub use origin::Origin;
pub use trusted::{ProxyFault, TrustedProxies, TrustedProxyError};
