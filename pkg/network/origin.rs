//! Origins of web pages.

use std::fmt;
use std::net::IpAddr;

use crate::host::{Authority, Host};

/// Scheme, host and port of a page (RFC 6454), of the schemes `http` and `https`.
///
/// Two origins are equal when they differ only in case, in the spelling of an IPv6 address, or in
/// whether the default port of the scheme is written: `https://Meet.example` is
/// `https://meet.example:443`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: Scheme,
    host: OwnedHost,
    port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Scheme {
    Http,
    Https,
}

/// A name is in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum OwnedHost {
    Address(IpAddr),
    Name(String),
}

impl Origin {
    /// Reads an `Origin` header: `https://meet.example` with or without a port, and nothing after
    /// it. `None` for everything else, `null` included.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = Scheme::split(text)?;
        let Authority { host, port } = Authority::parse(authority)?;
        let port = port.map_or(Some(scheme.default_port()), |port| port.parse().ok())?;
        Some(Self {
            scheme,
            host: host.into(),
            port,
        })
    }

    /// The origin of an address such as `https://meet.example/rooms?x`.
    #[must_use]
    pub fn of_url(url: &str) -> Option<Self> {
        let (_, rest) = Scheme::split(url)?;
        let path = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        Self::parse(&url[..url.len() - rest.len() + path])
    }

    /// Whether a page with this origin came from the server that was called with this `Host`. The
    /// scheme counts only for the default port: TLS may end before the server.
    #[must_use]
    pub fn is_served_by(&self, host_header: &str) -> bool {
        let Some(Authority { host, port }) = Authority::parse(host_header) else {
            return false;
        };
        let port = port.map_or(Some(self.scheme.default_port()), |port| port.parse().ok());
        port == Some(self.port) && self.host == host.into()
    }
}

impl Scheme {
    /// The scheme and what follows `://`.
    fn split(text: &str) -> Option<(Self, &str)> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = [Self::Http, Self::Https]
            .into_iter()
            .find(|known| scheme.eq_ignore_ascii_case(known.as_str()))?;
        Some((scheme, rest))
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl From<Host<'_>> for OwnedHost {
    fn from(host: Host<'_>) -> Self {
        match host {
            Host::Address(address) => Self::Address(address),
            Host::Name(name) => Self::Name(name.to_ascii_lowercase()),
        }
    }
}

/// As a browser writes it: without the default port.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.as_str())?;
        match &self.host {
            OwnedHost::Name(name) => f.write_str(name)?,
            OwnedHost::Address(IpAddr::V4(address)) => write!(f, "{address}")?,
            OwnedHost::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
        }
        if self.port == self.scheme.default_port() {
            Ok(())
        } else {
            write!(f, ":{}", self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::parse(text).unwrap_or_else(|| panic!("{text} is an origin"))
    }

    #[test]
    fn case_default_ports_and_the_spelling_of_addresses_make_no_difference() {
        for (one, other) in [
            ("https://meet.example", "https://meet.example:443"),
            ("http://meet.example", "http://meet.example:80"),
            ("HTTPS://Meet.Example", "https://meet.example"),
            ("http://[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080"),
        ] {
            assert_eq!(origin(one), origin(other));
        }
        for (one, other) in [
            ("https://meet.example", "http://meet.example"),
            ("https://meet.example:80", "http://meet.example:80"),
            ("https://meet.example", "https://meet.example:80"),
            ("https://meet.example", "https://sub.meet.example"),
            ("https://meet.example", "https://meet.example."),
        ] {
            assert_ne!(origin(one), origin(other));
        }
    }

    #[test]
    fn what_is_no_origin_of_a_page_is_none() {
        for text in [
            "",
            "null",
            "*",
            "meet.example",
            "https://",
            "https://meet.example/",
            "https://meet.example:",
            "https://meet.example:65536",
            "https://user@meet.example",
            "https://a,b",
            "ftp://meet.example",
            "https://[::1",
            "https://meet.example?x",
        ] {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_origin_of_an_address_leaves_its_path_out() {
        for url in [
            "https://meet.example",
            "https://meet.example/",
            "https://meet.example:443/a://b",
            "https://meet.example?x",
        ] {
            assert_eq!(
                Origin::of_url(url),
                Some(origin("https://meet.example")),
                "{url}"
            );
        }
        assert_eq!(Origin::of_url("/meet.example"), None);
    }

    #[test]
    fn a_page_is_the_servers_own_when_host_and_port_are_those_of_the_request() {
        for (page, host) in [
            ("http://meet.example:8080", "meet.example:8080"),
            ("https://meet.example:8080", "Meet.example:8080"),
            ("https://meet.example", "meet.example"),
            ("https://meet.example", "meet.example:443"),
            ("https://meet.example:443", "meet.example"),
            ("http://meet.example", "meet.example:80"),
            ("http://[::1]:8080", "[0::1]:8080"),
        ] {
            assert!(origin(page).is_served_by(host), "{page} {host}");
        }
        for (page, host) in [
            ("http://meet.example", "meet.example:8080"),
            ("http://meet.example:8080", "meet.example"),
            ("http://meet.example", "meet.example:443"),
            ("https://meet.example", "other.example"),
            ("https://meet.example", ""),
            ("https://meet.example", "meet.example, meet.example"),
        ] {
            assert!(!origin(page).is_served_by(host), "{page} {host}");
        }
    }

    proptest! {
        #[test]
        fn an_origin_is_read_back_from_what_is_shown(https: bool, host in "[a-z0-9]{1,8}(\\.[a-z0-9]{1,8}){0,2}|\\[::[0-9a-f]{1,4}\\]", port: Option<u16>) {
            let scheme = if https { "https" } else { "http" };
            let text = port.map_or_else(|| format!("{scheme}://{host}"), |port| format!("{scheme}://{host}:{port}"));
            let read = origin(&text);
            prop_assert_eq!(&origin(&read.to_string()), &read);
            prop_assert_eq!(Origin::of_url(&format!("{text}/path")), Some(read));
        }

        #[test]
        fn no_text_is_the_origin_of_a_host_that_it_does_not_hold(text in "[ -~]{0,40}") {
            if let Some(read) = Origin::parse(&text) {
                prop_assert!(!read.is_served_by("meet.example") || text.to_ascii_lowercase().contains("://meet.example"));
            }
        }
    }
}
