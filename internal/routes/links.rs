//! The address under which clients reach this server, for the links in answers.

use axum::extract::{FromRef, FromRequestParts};
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

/// Where the instruction stream is.
pub const INSTRUCTIONS_PATH: &str = "/v1/instructions";

/// How links are made.
#[derive(Debug, Clone)]
pub struct Links {
    /// `http.public_url`, without a slash at its end: `https://face.example`. It wins over everything.
    pub public_url: Option<String>,
    /// `http.allowed_hosts`: names that a request's Host may hold to be trusted.
    pub allowed_hosts: Vec<String>,
    /// The address that the server listens on, for when nothing else can be trusted.
    pub listen: SocketAddr,
    /// Whether clients reach that address over TLS.
    pub tls: bool,
}

impl Links {
    /// The base of links for a request that came with this Host.
    ///
    /// A Host is written by the client, so a link made from any Host could lead the next reader elsewhere; only an IP literal, `localhost` and
    /// the configured names are believed.
    #[must_use]
    pub fn base(&self, host: Option<&str>) -> PublicBase {
        if let Some(url) = &self.public_url {
            return PublicBase(url.trim_end_matches('/').to_owned());
        }
        let scheme = if self.tls { "https" } else { "http" };
        let trusted = host.filter(|host| network::host_is_trustworthy(host, &self.allowed_hosts));
        match trusted {
            Some(host) => PublicBase(format!("{scheme}://{host}")),
            None => PublicBase(format!("{scheme}://{}", reachable(self.listen))),
        }
    }
}

/// An address that listens everywhere is no address to go to.
fn reachable(listen: SocketAddr) -> String {
    if listen.ip().is_unspecified() { format!("localhost:{}", listen.port()) } else { listen.to_string() }
}

/// Scheme and authority of links, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicBase(String);

impl PublicBase {
    /// A link to this path.
    #[must_use]
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Where clients open the instruction stream.
    #[must_use]
    pub fn websocket_url(&self) -> String {
        // `http` → `ws`, `https` → `wss`.
        format!("ws{}{INSTRUCTIONS_PATH}", self.0.strip_prefix("http").unwrap_or(&self.0))
    }
}

impl<S> FromRequestParts<S> for PublicBase
where
    S: Send + Sync,
    Arc<Links>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let named = parts.uri.authority().map(Authority::as_str);
        let host = named.or_else(|| parts.headers.get(HOST).and_then(|h| h.to_str().ok()));
        Ok(Arc::<Links>::from_ref(state).base(host))
    }
}

#[cfg(test)]
mod tests {
    use super::Links;

    fn links(public_url: Option<&str>, listen: &str) -> Links {
        Links {
            public_url: public_url.map(Into::into),
            allowed_hosts: vec!["Face.example".into(), "other.example:8443".into()],
            listen: listen.parse().expect("an address"),
            tls: false,
        }
    }

    #[test]
    fn the_public_url_wins() {
        let base = links(Some("https://face.example/"), "127.0.0.1:8080").base(Some("localhost:1"));
        assert_eq!(base.link("/j"), "https://face.example/j");
        assert_eq!(base.websocket_url(), "wss://face.example/v1/instructions");
    }

    #[test]
    fn only_hosts_that_can_be_trusted_are_believed() {
        let base = |host| links(None, "127.0.0.1:8080").base(host).link("");
        for good in ["localhost:9", "192.168.1.7:8080", "[::1]:8080", "face.example", "face.example:81", "other.example:8443"] {
            assert_eq!(base(Some(good)), format!("http://{good}"));
        }
        for bad in [
            None,
            Some("evil.example"),
            Some("localhost.evil.example"),
            Some("x@localhost"),
            Some("other.example"),
            Some("local host"),
            Some(""),
        ] {
            assert_eq!(base(bad), "http://127.0.0.1:8080", "{bad:?}");
        }
    }

    #[test]
    fn an_address_that_listens_everywhere_is_not_linked_to() {
        assert_eq!(links(None, "0.0.0.0:8080").base(None).websocket_url(), "ws://localhost:8080/v1/instructions");
    }
}
