//! Networks as keys of rate limits.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The IPv4 prefix that one site usually has, in bits.
const V4_PREFIX: u8 = 24;
/// The IPv6 prefix that one site usually has, in bits. A /56 has 2^72 addresses, so counting single
/// addresses would be useless.
const V6_PREFIX: u8 = 56;

/// The IPv4 prefix that one provider usually has at least, in bits.
const V4_PROVIDER_PREFIX: u8 = 16;
/// The IPv6 prefix that one provider usually has, in bits. A customer of it easily gets a /48, which
/// is 256 networks, but seldom more than one /32.
const V6_PROVIDER_PREFIX: u8 = 32;

/// A network that limits count together: a /24 of IPv4 or /56 of IPv6, or the wider prefix around
/// it. Shown as `192.0.2.0/24`, `2001:db8:0:100::/56`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkKey(IpNet);

/// The IPv6 prefix that one household or device has, in bits.
const V6_SITE_PREFIX: u8 = 64;

/// The address itself for IPv4; the first address of its /64 for IPv6, where the holder can change
/// the rest at will.
#[must_use]
pub fn address_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        address @ IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(
            Ipv6Net::new(address, V6_SITE_PREFIX)
                .expect("invariant: the prefix fits its family")
                .network(),
        ),
    }
}

impl NetworkKey {
    /// The first address of the network.
    #[must_use]
    pub const fn first(self) -> IpAddr {
        match self.0 {
            IpNet::V4(network) => IpAddr::V4(network.addr()),
            IpNet::V6(network) => IpAddr::V6(network.addr()),
        }
    }
}

/// The network that an address belongs to for counting: a /24 of IPv4, a /56 of IPv6.
#[must_use]
pub fn network_key(address: IpAddr) -> NetworkKey {
    key(address, V4_PREFIX, V6_PREFIX)
}

/// The prefix around that network which one provider usually has: a /16 of IPv4, a /32 of IPv6.
#[must_use]
pub fn prefix_key(address: IpAddr) -> NetworkKey {
    key(address, V4_PROVIDER_PREFIX, V6_PROVIDER_PREFIX)
}

fn key(address: IpAddr, v4_bits: u8, v6_bits: u8) -> NetworkKey {
    let network = match address.to_canonical() {
        IpAddr::V4(address) => Ipv4Net::new(address, v4_bits).map(IpNet::V4),
        IpAddr::V6(address) => Ipv6Net::new(address, v6_bits).map(IpNet::V6),
    };
    NetworkKey(
        network
            .expect("invariant: the prefix fits its family")
            .trunc(),
    )
}

impl fmt::Display for NetworkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> String {
        network_key(text.parse().expect("an address")).to_string()
    }

    #[test]
    fn keys_are_shown_as_networks() {
        assert_eq!(key("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(key("::ffff:192.0.2.77"), "192.0.2.0/24");
        assert_eq!(key("2001:db8:0:1ff:1:2:3:4"), "2001:db8:0:100::/56");
    }

    #[test]
    fn a_prefix_is_what_one_provider_has() {
        for (address, prefix) in [
            ("10.1.2.3", "10.1.0.0/16"),
            ("::ffff:10.1.2.3", "10.1.0.0/16"),
            ("2001:db8:1:200::7", "2001:db8::/32"),
        ] {
            let address = address.parse().expect("an address");
            assert_eq!(prefix_key(address).to_string(), prefix);
            assert_eq!(
                prefix_key(network_key(address).first()),
                prefix_key(address)
            );
        }
    }

    #[test]
    fn an_address_of_ipv6_counts_as_its_64() {
        let key = |text: &str| address_key(text.parse().expect("an address")).to_string();
        assert_eq!(key("192.0.2.77"), "192.0.2.77");
        assert_eq!(key("::ffff:192.0.2.77"), "192.0.2.77");
        assert_eq!(key("2001:db8:0:1ff:1:2:3:4"), "2001:db8:0:1ff::");
        assert_eq!(
            network_key("2001:db8:0:1ff:1:2:3:4".parse().expect("an address"))
                .first()
                .to_string(),
            "2001:db8:0:100::"
        );
    }

    proptest! {
        #[test]
        fn ipv4_addresses_share_a_key_exactly_when_24_bits_agree(one: u32, low: u8, other: u32) {
            let key = |bits: u32| network_key(Ipv4Addr::from(bits).into());
            prop_assert_eq!(key(one), key(one & !0xff | u32::from(low)));
            prop_assert_eq!(key(one) == key(other), one >> 8 == other >> 8);
        }

        #[test]
        fn ipv6_addresses_share_a_key_exactly_when_56_bits_agree(one in (1_u128 << 125)..(1 << 126), low: u64, flip in 0_u32..128) {
            let key = |bits: u128| network_key(Ipv6Addr::from(bits).into());
            prop_assert_eq!(key(one), key(one >> 64 << 64 | u128::from(low)));
            prop_assert_eq!(key(one) == key(one ^ (1 << flip)), flip < 72);
        }
    }
}
