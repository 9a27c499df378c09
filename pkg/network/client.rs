//! The address of the client, behind any number of proxies.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};

use crate::forwarded::{Hop, forwarded, x_forwarded_for};
use crate::trusted::TrustedProxies;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Headers that reveal a proxy, whether or not their content is trusted.
const FORWARDING_HEADERS: [HeaderName; 7] = [
    FORWARDED,
    X_FORWARDED_FOR,
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    http::header::VIA,
];

/// The most hops that are followed. A longer chain of own proxies is a loop or a forgery.
const MAX_HOPS: usize = 32;

/// The client's address, in canonical form.
///
/// Starting from the peer, each hop that a trusted hop names is followed. The result is the first
/// address that is not trusted, or the farthest trusted one. If a trusted hop names nothing usable,
/// the result is that hop. If the peer is not trusted, headers are ignored.
///
/// A proxy writes either `X-Forwarded-For` or `Forwarded` and may pass on the client's own line of
/// the other one. If both are present and disagree, one of them is not the proxy's, and the result
/// is the peer.
#[must_use]
pub fn resolve(peer: IpAddr, headers: &HeaderMap, trusted: &TrustedProxies) -> IpAddr {
    let peer = peer.to_canonical();
    if !trusted.contains(peer) {
        return peer;
    }
    let has = |name: &HeaderName| headers.contains_key(name);
    let by_x = || {
        follow(
            peer,
            x_forwarded_for(headers.get_all(X_FORWARDED_FOR).iter()),
            trusted,
        )
    };
    let by_standard = || follow(peer, forwarded(headers.get_all(FORWARDED).iter()), trusted);
    match (has(&X_FORWARDED_FOR), has(&FORWARDED)) {
        (false, false) => peer,
        (true, false) => by_x(),
        (false, true) => by_standard(),
        (true, true) => {
            let client = by_x();
            if client == by_standard() {
                client
            } else {
                peer
            }
        }
    }
}

/// Follows hops, nearest first, while the hop that named them is trusted.
fn follow(peer: IpAddr, hops: impl Iterator<Item = Hop>, trusted: &TrustedProxies) -> IpAddr {
    let mut client = peer;
    for hop in hops.take(MAX_HOPS) {
        let Some(address) = hop else { return client };
        client = address;
        if !trusted.contains(client) {
            return client;
        }
    }
    client
}

/// Whether the request has a header that reveals a proxy. A request from a loopback address with
/// such a header comes from elsewhere, through a proxy on this machine.
#[must_use]
pub fn has_forwarding_header(headers: &HeaderMap) -> bool {
    FORWARDING_HEADERS
        .iter()
        .any(|name| headers.contains_key(name))
}

/// Whether the address is this machine's own: `127.0.0.0/8` or `::1`, mapped or not.
#[must_use]
pub fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn trusted() -> TrustedProxies {
        TrustedProxies::parse(&["10.0.0.0/8", "::1"]).expect("a list")
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(
                *name,
                HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
            );
        }
        map
    }

    fn resolved(peer: &str, lines: &[(&'static str, &str)]) -> String {
        resolve(ip(peer), &headers(lines), &trusted()).to_string()
    }

    const XFF: &str = "x-forwarded-for";
    const STANDARD: &str = "forwarded";

    #[test]
    fn without_a_header_the_client_is_the_peer_in_canonical_form() {
        assert_eq!(resolved("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(resolved("::ffff:192.0.2.1", &[]), "192.0.2.1");
    }

    #[test]
    fn an_untrusted_peer_cannot_name_another_address() {
        for lines in [[(XFF, "192.0.2.1")], [(STANDARD, "for=192.0.2.1")]] {
            assert_eq!(resolved("203.0.113.9", &lines), "203.0.113.9");
        }
    }

    #[test]
    fn the_first_untrusted_hop_from_the_right_is_the_client() {
        assert_eq!(
            resolved("10.0.0.1", &[(XFF, "8.8.8.8, 192.0.2.1, 10.0.0.2")]),
            "192.0.2.1"
        );
        assert_eq!(
            resolved("::ffff:10.0.0.1", &[(XFF, "8.8.8.8"), (XFF, "192.0.2.1")]),
            "192.0.2.1"
        );
        assert_eq!(
            resolved("::1", &[(STANDARD, "for=8.8.8.8, for=\"[2001:db8::7]\"")]),
            "2001:db8::7"
        );
        assert_eq!(
            resolved("10.0.0.1", &[(XFF, "::ffff:192.0.2.1")]),
            "192.0.2.1"
        );
    }

    #[test]
    fn when_all_hops_are_trusted_the_farthest_is_the_client() {
        assert_eq!(
            resolved("10.0.0.1", &[(XFF, "10.0.0.3, 10.0.0.2")]),
            "10.0.0.3"
        );
    }

    #[test]
    fn an_unusable_hop_stops_at_the_last_trusted_one() {
        assert_eq!(
            resolved("10.0.0.1", &[(XFF, "192.0.2.1, junk")]),
            "10.0.0.1"
        );
        assert_eq!(
            resolved("10.0.0.1", &[(XFF, "192.0.2.1, junk, 10.0.0.2")]),
            "10.0.0.2"
        );
        assert_eq!(
            resolved("10.0.0.1", &[(STANDARD, "for=192.0.2.1, for=unknown")]),
            "10.0.0.1"
        );
        assert_eq!(resolved("10.0.0.1", &[(XFF, "")]), "10.0.0.1");
    }

    #[test]
    fn two_headers_that_disagree_leave_the_peer() {
        let both = |standard| [(XFF, "192.0.2.1"), (STANDARD, standard)];
        assert_eq!(resolved("10.0.0.1", &both("for=192.0.2.1")), "192.0.2.1");
        assert_eq!(resolved("10.0.0.1", &both("for=8.8.8.8")), "10.0.0.1");
        assert_eq!(resolved("10.0.0.1", &both("junk")), "10.0.0.1");
    }

    #[test]
    fn an_endless_chain_of_trusted_hops_is_cut() {
        let chain = format!("8.8.8.8{}", ", 10.0.0.2".repeat(10_000));
        assert_eq!(resolved("10.0.0.1", &[(XFF, &chain)]), "10.0.0.2");
    }

    #[test]
    fn loopback_is_recognised_in_every_spelling() {
        for address in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            assert!(is_loopback(ip(address)), "{address}");
        }
        assert!(!is_loopback(ip("10.0.0.1")) && !is_loopback(ip("::2")));
    }

    #[test]
    fn any_forwarding_header_reveals_a_proxy() {
        assert!(!has_forwarding_header(&headers(&[("host", "localhost")])));
        for name in ["forwarded", "X-Forwarded-For", "x-real-ip", "via"] {
            let mut map = HeaderMap::new();
            map.insert(
                HeaderName::from_bytes(name.as_bytes()).expect("a name"),
                HeaderValue::from_static("x"),
            );
            assert!(has_forwarding_header(&map), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_header_moves_an_untrusted_peer(value in "[ -~]{0,80}", peer: u32) {
            let peer = IpAddr::V4(peer.into());
            prop_assume!(!trusted().contains(peer));
            let lines = headers(&[(XFF, &value), (STANDARD, &value)]);
            prop_assert_eq!(resolve(peer, &lines, &trusted()), peer);
        }

        #[test]
        fn what_a_client_sends_never_changes_what_its_proxy_says(sent in "[ -~]{0,80}") {
            let line = format!("{sent}, 192.0.2.1");
            prop_assert_eq!(resolved("10.0.0.1", &[(XFF, &line)]), "192.0.2.1");
            let other = resolved("10.0.0.1", &[(XFF, "192.0.2.1"), (STANDARD, &sent)]);
            prop_assert!(other == "192.0.2.1" || other == "10.0.0.1");
        }
    }
}
