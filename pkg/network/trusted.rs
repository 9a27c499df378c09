//! The proxies whose forwarding headers are trusted.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// Networks and single addresses of the operator's own proxies. If empty, no header is trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
}

/// The error of [`TrustedProxies::parse`]: which entry of the list is unusable, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {position} ({entry:?}): {fault}")]
pub struct TrustedProxyError {
    /// Position in the list, counted from 1.
    pub position: usize,
    /// The entry as given.
    pub entry: String,
    /// The reason.
    pub fault: ProxyFault,
}

/// Why an entry is unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyFault {
    /// Neither an address nor a network.
    #[error("expected an IP address or a network like 10.0.0.0/8")]
    NotANetwork,
    /// Wider than 10.0.0.0/8 or fc00::/7, which is more than any operator has.
    #[error(
        "is too wide (at most a /8, or a /7 of IPv6): a trusted peer chooses the address that it is counted under"
    )]
    TooWide,
    /// The unspecified address or a multicast address: no connection comes from there.
    #[error("no connection comes from there")]
    NotAClientAddress,
}

impl TrustedProxies {
    /// Reads addresses (`10.0.0.7`, `::1`) and networks (`10.0.0.0/8`, `fd00::/8`).
    ///
    /// # Errors
    /// [`TrustedProxyError`] names the first entry that cannot be used.
    pub fn parse<S: AsRef<str>>(entries: &[S]) -> Result<Self, TrustedProxyError> {
        let networks = entries.iter().enumerate().map(|(index, entry)| {
            let entry = entry.as_ref().trim();
            Self::network(entry).map_err(|fault| TrustedProxyError {
                position: index + 1,
                entry: entry.to_owned(),
                fault,
            })
        });
        Ok(Self {
            networks: networks.collect::<Result<_, _>>()?,
        })
    }

    /// Reads one entry.
    ///
    /// # Errors
    /// [`ProxyFault`].
    pub fn network(entry: &str) -> Result<IpNet, ProxyFault> {
        let network = match entry.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => entry
                .parse::<IpNet>()
                .map_err(|_| ProxyFault::NotANetwork)?,
        };
        let network = canonical(network.trunc());
        let widest = if network.addr().is_ipv4() {
            V4_WIDEST
        } else {
            V6_WIDEST
        };
        if network.prefix_len() < widest {
            Err(ProxyFault::TooWide)
        } else if network.addr().is_unspecified() || network.addr().is_multicast() {
            Err(ProxyFault::NotAClientAddress)
        } else {
            Ok(network)
        }
    }

    /// Trusts networks that [`network`](Self::network) has read.
    #[must_use]
    pub fn from_networks(networks: Vec<IpNet>) -> Self {
        Self { networks }
    }

    /// Whether the address belongs to one of the proxies.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }

    /// Whether nothing is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }
}

/// Prefixes of the largest private networks.
const V4_WIDEST: u8 = 8;
const V6_WIDEST: u8 = 7;

/// Maps a network of IPv4-mapped addresses to the IPv4 network. Addresses are compared in canonical
/// form and would otherwise never be in it.
fn canonical(network: IpNet) -> IpNet {
    const MAPPED_PREFIX: u8 = 96;
    match (network.network().to_canonical(), network) {
        (IpAddr::V4(address), IpNet::V6(v6)) if v6.prefix_len() >= MAPPED_PREFIX => {
            Ipv4Net::new(address, v6.prefix_len() - MAPPED_PREFIX).map_or(network, IpNet::V4)
        }
        _ => network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn addresses_and_networks_of_both_families_are_matched() {
        let trusted = TrustedProxies::parse(&["10.1.2.3/8", " 192.0.2.7 ", "fd00::/8", "::1"])
            .expect("a list");
        for inside in [
            "10.255.0.1",
            "::ffff:10.0.0.1",
            "192.0.2.7",
            "fd12::1",
            "::1",
        ] {
            assert!(trusted.contains(ip(inside)), "{inside}");
        }
        for outside in [
            "11.0.0.1",
            "192.0.2.8",
            "fe80::1",
            "127.0.0.1",
            "::ffff:11.0.0.1",
        ] {
            assert!(!trusted.contains(ip(outside)), "{outside}");
        }
    }

    #[test]
    fn a_mapped_network_means_the_ipv4_network() {
        let trusted =
            TrustedProxies::parse(&["::ffff:10.0.0.0/104", "::ffff:192.0.2.7"]).expect("a list");
        assert!(trusted.contains(ip("10.9.8.7")) && trusted.contains(ip("192.0.2.7")));
        assert!(!trusted.contains(ip("11.0.0.1")));
    }

    #[test]
    fn a_faulty_entry_is_named_with_its_position() {
        for entry in [
            "",
            "proxy.example",
            "10.0.0.0/33",
            "10.0.0",
            "[::1]",
            "10.0.0.1:80",
        ] {
            let error = TrustedProxies::parse(&["10.0.0.1", entry]).expect_err("a fault");
            assert_eq!(
                (error.position, error.fault),
                (2, ProxyFault::NotANetwork),
                "{entry:?}"
            );
            assert!(error.to_string().contains(entry));
        }
        for entry in [
            "0.0.0.0/0",
            "128.0.0.0/1",
            "::/0",
            "2000::/3",
            "::ffff:0:0/96",
        ] {
            let error = TrustedProxies::parse(&[entry]).expect_err("a fault");
            assert_eq!(
                (error.position, error.fault),
                (1, ProxyFault::TooWide),
                "{entry:?}"
            );
        }
        for entry in ["0.0.0.0", "0.0.0.0/8", "::", "224.0.0.1", "ff00::/8"] {
            assert_eq!(
                TrustedProxies::network(entry),
                Err(ProxyFault::NotAClientAddress),
                "{entry:?}"
            );
        }
    }

    #[test]
    fn nothing_is_trusted_by_default() {
        assert!(TrustedProxies::default().is_empty());
        assert!(!TrustedProxies::default().contains(ip("127.0.0.1")));
    }
}
