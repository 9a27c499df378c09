//! The `Host` header: whether it is well-formed, and whether it may be repeated in a link.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::forwarded::is_port;

/// The longest DNS name (253) with brackets or a port.
const MAX_HOST_LEN: usize = 260;

/// Whether a link may be built from the `Host` header of a request: its host is an IP literal,
/// `localhost` or one of `allowed`. An attacker could have put any other name there, to make the
/// link lead elsewhere.
///
/// Names are compared without regard to case. An allowed entry with a port (`app.example:8443`,
/// `[2001:db8::1]:8443`) allows only that port, one without a port allows any. A malformed header
/// is never trustworthy.
#[must_use]
pub fn host_is_trustworthy(host_header: &str, allowed: &[String]) -> bool {
    let Some(asked) = Authority::parse(host_header) else {
        return false;
    };
    match asked.host {
        Host::Address(_) => true,
        Host::Name(name) if name.eq_ignore_ascii_case("localhost") => true,
        Host::Name(_) => allowed
            .iter()
            .filter_map(|entry| Authority::parse(entry))
            .any(|entry| entry.allows(&asked)),
    }
}

/// Whether the text is a host with or without a port: a name, an IPv4 address or an IPv6 address in
/// brackets.
#[must_use]
pub fn host_is_well_formed(host_header: &str) -> bool {
    Authority::parse(host_header).is_some()
}

/// `host` or `host:port`.
pub(crate) struct Authority<'a> {
    pub(crate) host: Host<'a>,
    pub(crate) port: Option<&'a str>,
}

/// A name is as it was written, in any case.
pub(crate) enum Host<'a> {
    Address(IpAddr),
    Name(&'a str),
}

impl<'a> Authority<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        if text.is_empty() || text.len() > MAX_HOST_LEN {
            return None;
        }
        let (host, rest) = match text.strip_prefix('[') {
            Some(bracketed) => {
                let (address, rest) = bracketed.split_once(']')?;
                (
                    Host::Address(IpAddr::V6(address.parse::<Ipv6Addr>().ok()?)),
                    rest,
                )
            }
            None => {
                let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
                (parse_unbracketed(host)?, rest)
            }
        };
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(Some(port).filter(|port| is_port(port))?),
            None if rest.is_empty() => None,
            None => return None,
        };
        Some(Self { host, port })
    }

    fn allows(&self, asked: &Self) -> bool {
        let same_host = match (&self.host, &asked.host) {
            (Host::Name(ours), Host::Name(theirs)) => ours.eq_ignore_ascii_case(theirs),
            (Host::Address(ours), Host::Address(theirs)) => ours == theirs,
            _ => false,
        };
        same_host && (self.port.is_none() || self.port == asked.port)
    }
}

fn parse_unbracketed(host: &str) -> Option<Host<'_>> {
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Some(Host::Address(IpAddr::V4(address)));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (!host.is_empty() && host.bytes().all(allowed)).then_some(Host::Name(host))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allowed() -> Vec<String> {
        ["Meet.example.org", "app.example:8443"]
            .map(str::to_owned)
            .to_vec()
    }

    #[test]
    fn addresses_localhost_and_listed_names_are_trustworthy_with_any_port() {
        let hosts = [
            "127.0.0.1",
            "192.0.2.1:8080",
            "[::1]",
            "[2001:db8::1]:443",
            "localhost",
            "LocalHost:8080",
            "meet.example.org",
            "MEET.EXAMPLE.ORG:8443",
            "app.example:8443",
        ];
        for host in hosts {
            assert!(host_is_trustworthy(host, &allowed()), "{host}");
        }
    }

    #[test]
    fn other_names_and_other_ports_than_listed_are_not() {
        let hosts = [
            "example.org",
            "evil.meet.example.org",
            "meet.example.org.evil",
            "app.example",
            "app.example:80",
            "localhost.evil",
            "notlocalhost",
        ];
        for host in hosts {
            assert!(!host_is_trustworthy(host, &allowed()), "{host}");
        }
        assert!(!host_is_trustworthy("meet.example.org", &[]));
    }

    #[test]
    fn malformed_hosts_are_never_trustworthy() {
        let hosts = [
            "",
            ":80",
            "localhost:",
            "localhost:port",
            "localhost:65536",
            "localhost:80:80",
            "::1",
            "[::1",
            "[127.0.0.1]",
            "[::1]80",
            "[fe80::1%25eth0]",
            "user@localhost",
            "localhost/path",
            "localhost\\@evil",
            "local host",
            "127.0.0.1@evil",
            "localhost?x",
            "0x7f.1@",
            "localhost,evil",
            "l\u{f6}calhost",
        ];
        for host in hosts {
            assert!(!host_is_trustworthy(host, &allowed()), "{host:?}");
        }
        let long = vec!["a".repeat(300)];
        assert!(!host_is_trustworthy(&long[0], &long));
    }

    #[test]
    fn a_well_formed_host_is_one_name_or_address_with_or_without_a_port() {
        for host in [
            "meet.example.org",
            "my_service:80",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:443",
        ] {
            assert!(host_is_well_formed(host), "{host}");
        }
        for host in [
            "", ":80", "a b", "a,b", "a/b", "user@a", "http://a", "a:80:80", "a:port", "::1",
            "[::1", "a\\b",
        ] {
            assert!(!host_is_well_formed(host), "{host:?}");
        }
    }

    #[test]
    fn a_malformed_allowed_entry_admits_nothing() {
        let entries = ["".to_owned(), "http://a.example".to_owned(), "*".to_owned()];
        for host in ["a.example", "*", ""] {
            assert!(!host_is_trustworthy(host, &entries), "{host:?}");
        }
    }

    proptest! {
        #[test]
        fn a_trustworthy_host_cannot_leave_the_authority_of_a_link(host in "(localhost|127\\.0\\.0\\.1|\\[::1\\])?[ -~]{0,12}") {
            if host_is_trustworthy(&host, &allowed()) {
                prop_assert!(!host.contains(['/', '@', '\\', '?', '#', ' ', ',', '"', '<']));
            }
        }
    }
}
