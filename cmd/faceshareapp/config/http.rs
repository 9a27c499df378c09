//! `http.*`: the listener for clients, and which forwarding headers, origins and host names it
//! accepts.

use std::net::{Ipv4Addr, SocketAddr};

use faceshare_routes::{ProxyFault, TrustedProxies};
use ipnet::IpNet;

use super::section::Section;

/// The HTTP and WebSocket listener.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    /// Port 0 takes a free port, which the log names.
    pub(crate) listen: SocketAddr,
    /// The URL by which clients reach the server, without a slash at its end. Unset: links use the
    /// request's Host if that is an IP literal, localhost, a name of this machine or one of
    /// `allowed_hosts`.
    pub(crate) public_url: Option<String>,
    /// Origins (`https://app.example.com`) whose pages may call the server and open streams.
    pub(crate) cors_origins: Vec<String>,
    /// Networks of proxies whose forwarding headers the server believes.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Names in lower case. Links are made from a request's Host if it is one of these.
    pub(crate) allowed_hosts: Vec<String>,
    /// The listener of `/metrics`. Unset: it is on `listen`, only for loopback peers.
    pub(crate) ops_listen: Option<SocketAddr>,
}

impl Http {
    pub(super) fn read(keys: &mut Section<'_, '_>) -> Self {
        let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        Self {
            listen: keys.text("listen", default, socket_addr, ToString::to_string),
            public_url: keys.text("public_url", None, public_url, |url| {
                url.clone().unwrap_or_default()
            }),
            cors_origins: keys.list("cors_origins", origin),
            trusted_proxies: keys.list("trusted_proxies", network),
            allowed_hosts: keys.list("allowed_hosts", host),
            ops_listen: keys.text("ops_listen", None, optional_socket_addr, |addr| {
                addr.map(|addr| addr.to_string()).unwrap_or_default()
            }),
        }
    }
}

/// An IP address and a port.
fn socket_addr(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!(
            r#"{text:?} is not an IP address with a port, such as "127.0.0.1:8080" or "[::1]:8080""#
        )
    })
}

/// An IP address and a port, or `None` (no listener) for an empty text.
pub(super) fn optional_socket_addr(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() {
        Ok(None)
    } else {
        socket_addr(text).map(Some)
    }
}

/// Splits an http or https URL into scheme, authority and path. `None` if the authority is not a
/// host name or an IP literal with an optional valid port.
fn web_address(text: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (authority, None),
    };
    let port_is_one = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0));
    let bracketed = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let name_is_one = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => is_host_name(name),
    };
    (matches!(scheme, "http" | "https") && port_is_one && name_is_one)
        .then_some((scheme, authority, path))
}

fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn public_url(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let path_is_plain = |path: &str| {
        path.bytes().all(|byte| {
            byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'"' | b'<' | b'>')
        })
    };
    match web_address(text) {
        Some((scheme, authority, path)) if path_is_plain(path) => Ok(Some(format!(
            "{scheme}://{}{}",
            authority.to_ascii_lowercase(),
            path.trim_end_matches('/')
        ))),
        _ => Err(format!(
            r#"{text:?} is not an address such as "https://meet.example.com" (http or https, no query, no fragment, no user)"#
        )),
    }
}

fn origin(text: &str) -> Result<String, String> {
    match web_address(text) {
        Some((scheme, authority, "")) => {
            Ok(format!("{scheme}://{}", authority.to_ascii_lowercase()))
        }
        _ => Err(format!(
            r#"{text:?} is not an origin such as "https://app.example.com" (each is named; no "*", no path)"#
        )),
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    TrustedProxies::network(text).map_err(|fault| match fault {
        ProxyFault::NotANetwork => {
            format!(r#"{text:?} is not an address or a network such as "10.0.0.0/8""#)
        }
        ProxyFault::TooWide | ProxyFault::NotAClientAddress => format!("{text:?}: {fault}"),
    })
}

fn host(text: &str) -> Result<String, String> {
    if is_host_name(text) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!(
        r#"{text:?} is not a host name such as "meet.example.com" (no scheme, no port, no "*")"#
    ))
}
