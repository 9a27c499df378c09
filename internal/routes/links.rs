//! The public address of the server, for links in responses.

use crate::middleware::FirstSeen;
use axum::extract::{FromRef, FromRequestParts};
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Uri};
use network::LocalMachine;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

/// Path of the instruction stream.
pub const INSTRUCTIONS_PATH: &str = "/v1/instructions";

/// Settings that links are built from.
#[derive(Debug, Clone)]
pub struct LinkSettings {
    /// `http.public_url`: `https://face.example`. It takes precedence over every other source.
    pub public_url: Option<String>,
    /// `http.allowed_hosts`: values of a request's `Host` that are trusted.
    pub allowed_hosts: Vec<String>,
    /// The address that the server listens on.
    pub listen: SocketAddr,
    /// Whether clients reach that address over TLS.
    pub tls: bool,
}

/// Builds links.
#[derive(Debug)]
pub struct Links {
    settings: LinkSettings,
    machine: LocalMachine,
    refused: FirstSeen,
}

impl Links {
    /// For a server on this machine. The machine's names are trusted beside `http.allowed_hosts`.
    #[must_use]
    pub fn new(settings: LinkSettings, machine: LocalMachine) -> Self {
        Self {
            settings,
            machine,
            refused: FirstSeen::default(),
        }
    }

    /// The base of links for a request with this `Host`.
    ///
    /// The client chooses `Host`, so a link built from any `Host` could lead another reader
    /// elsewhere. Only an IP literal, `localhost`, the machine's own names and the configured names
    /// are trusted. Otherwise links use the first of [`Links::lan_urls`], or the address that the
    /// server listens on. Each `Host` that is not trusted is logged once.
    #[must_use]
    pub fn base(&self, host: Option<&str>) -> PublicBase {
        let LinkSettings {
            public_url,
            allowed_hosts,
            listen,
            ..
        } = &self.settings;
        if let Some(url) = public_url {
            return PublicBase(url.trim_end_matches('/').to_owned());
        }
        let is_trusted = |host: &str| {
            [allowed_hosts, self.machine.names()]
                .iter()
                .any(|names| network::host_is_trustworthy(host, names))
        };
        if let Some(host) = host.filter(|host| is_trusted(host)) {
            return PublicBase(self.url(host));
        }
        let base = self
            .lan_urls()
            .into_iter()
            .next()
            .unwrap_or_else(|| self.url(&local(*listen)));
        if let Some(host) = host.filter(|host| self.refused.is_new(host)) {
            tracing::warn!(
                host,
                links = base,
                "the Host of a request is not trusted and not used for links; add it to http.allowed_hosts, or set http.public_url"
            );
        }
        PublicBase(base)
    }

    /// URLs under which other machines in the same network reach the server, the likeliest first;
    /// empty when it listens on loopback only. Read from the machine's interfaces at most every ten
    /// seconds.
    #[must_use]
    pub fn lan_urls(&self) -> Vec<String> {
        self.machine
            .reachable(self.settings.listen)
            .iter()
            .map(|address| self.url(&address.to_string()))
            .collect()
    }

    fn url(&self, authority: &str) -> String {
        format!(
            "{}://{authority}",
            if self.settings.tls { "https" } else { "http" }
        )
    }
}

/// Clients cannot connect to an unspecified address (`0.0.0.0`, `::`), so `localhost` takes its
/// place.
fn local(listen: SocketAddr) -> String {
    if listen.ip().is_unspecified() {
        format!("localhost:{}", listen.port())
    } else {
        listen.to_string()
    }
}

/// The host that a request was sent to, with its port if present: from the request target, else
/// from `Host`.
pub(crate) fn host_of<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let named = uri.authority().map(Authority::as_str);
    named.or_else(|| headers.get(HOST).and_then(|host| host.to_str().ok()))
}

/// Scheme and authority of links, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicBase(String);

impl PublicBase {
    /// A link to this path.
    #[must_use]
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// The URL of the instruction stream.
    #[must_use]
    pub fn websocket_url(&self) -> String {
        // `http` → `ws`, `https` → `wss`.
        format!(
            "ws{}{INSTRUCTIONS_PATH}",
            self.0.strip_prefix("http").unwrap_or(&self.0)
        )
    }
}

impl<S> FromRequestParts<S> for PublicBase
where
    S: Send + Sync,
    Arc<Links>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Arc::<Links>::from_ref(state).base(host_of(&parts.uri, &parts.headers)))
    }
}

#[cfg(test)]
mod tests {
    use super::{LinkSettings, Links};
    use network::LocalMachine;

    fn links(public_url: Option<&str>, listen: &str) -> Links {
        let settings = LinkSettings {
            public_url: public_url.map(Into::into),
            allowed_hosts: vec!["Face.example".into(), "other.example:8443".into()],
            listen: listen.parse().expect("an address"),
            tls: false,
        };
        Links::new(
            settings,
            LocalMachine::new("MyBox.lan", || {
                vec!["192.168.1.7".parse().expect("an address")]
            }),
        )
    }

    #[test]
    fn the_public_url_wins() {
        let base = links(Some("https://face.example/"), "127.0.0.1:8080").base(Some("localhost:1"));
        assert_eq!(base.link("/j"), "https://face.example/j");
        assert_eq!(base.websocket_url(), "wss://face.example/v1/instructions");
    }

    #[test]
    fn only_trusted_hosts_are_used_for_links() {
        let base = |host| links(None, "127.0.0.1:8080").base(host).link("");
        for good in [
            "localhost:9",
            "192.168.1.7:8080",
            "[::1]:8080",
            "face.example",
            "face.example:81",
            "other.example:8443",
            "mybox:8080",
            "MyBox.local:8080",
            "mybox.lan",
        ] {
            assert_eq!(base(Some(good)), format!("http://{good}"));
        }
        for bad in [
            None,
            Some("evil.example"),
            Some("localhost.evil.example"),
            Some("x@localhost"),
            Some("other.example"),
            Some("local host"),
            Some("otherbox.local"),
            Some("mybox.evil.example"),
            Some(""),
        ] {
            assert_eq!(base(bad), "http://127.0.0.1:8080", "{bad:?}");
        }
    }

    #[test]
    fn without_a_trusted_host_links_use_the_address_that_other_machines_reach() {
        for host in [None, Some("evil.example")] {
            assert_eq!(
                links(None, "0.0.0.0:8080").base(host).websocket_url(),
                "ws://192.168.1.7:8080/v1/instructions"
            );
            assert_eq!(
                links(None, "192.168.1.9:80").base(host).link(""),
                "http://192.168.1.9:80"
            );
        }
    }

    #[test]
    fn an_unspecified_address_is_not_linked_to() {
        let settings = LinkSettings {
            public_url: None,
            allowed_hosts: vec![],
            listen: "0.0.0.0:8080".parse().expect("an address"),
            tls: true,
        };
        assert_eq!(
            Links::new(settings, LocalMachine::new("", Vec::new))
                .base(None)
                .link(""),
            "https://localhost:8080"
        );
    }
}
