//! Origins whose pages may call the server and open a stream.

use super::first_seen::FirstSeen;
use faceshare_biz::{Error, ErrorCode};
use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue};
use network::Origin;
use std::sync::Arc;

/// The origins whose pages may read responses and open streams: those of `http.cors_origins`, and
/// that of `http.public_url`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AllowedOrigins(Arc<OriginList>);

#[derive(Debug)]
struct OriginList {
    origins: Vec<Origin>,
    refused: FirstSeen,
}

impl AllowedOrigins {
    /// Parses texts that the configuration has checked; a text that is no origin allows nothing.
    #[must_use]
    pub fn new(cors_origins: &[String], public_url: Option<&str>) -> Self {
        let mut origins: Vec<_> = cors_origins
            .iter()
            .filter_map(|text| Origin::parse(text))
            .collect();
        origins.extend(public_url.and_then(Origin::of_url));
        Self(Arc::new(OriginList {
            origins,
            refused: FirstSeen::default(),
        }))
    }

    /// Whether no other origin is allowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.origins.is_empty()
    }

    /// Whether an `Origin` header names an allowed origin.
    #[must_use]
    pub fn contains(&self, origin: &HeaderValue) -> bool {
        origin
            .to_str()
            .ok()
            .and_then(Origin::parse)
            .is_some_and(|origin| self.0.origins.contains(&origin))
    }

    /// `FORBIDDEN` for a request of a page whose origin is neither allowed nor the server's own,
    /// which is that of the request's `host`. Clients other than browsers send no `Origin`. Each
    /// refused origin is logged once.
    pub(crate) fn check(&self, headers: &HeaderMap, host: Option<&str>) -> Result<(), Error> {
        let Some(origin) = headers.get(ORIGIN) else {
            return Ok(());
        };
        let text = origin.to_str().unwrap_or("(unreadable)");
        let is_own = Origin::parse(text)
            .zip(host)
            .is_some_and(|(origin, host)| origin.is_served_by(host));
        if is_own || self.contains(origin) {
            return Ok(());
        }
        let shown: String = text.chars().take(SHOWN).collect();
        if self.0.refused.is_new(&shown) {
            tracing::warn!(
                origin = shown,
                "refused a page: its origin is not in http.cors_origins; add it, or set http.public_url if it is the server's own"
            );
        }
        Err(Error::new(
            ErrorCode::Forbidden,
            format!("origin {shown} is not in http.cors_origins"),
        ))
    }
}

/// Characters of an origin that are shown to the client and in the log at most. Host names have at
/// most 253.
const SHOWN: usize = 270;

#[cfg(test)]
mod tests {
    use super::AllowedOrigins;
    use faceshare_biz::ErrorCode;
    use http::header::ORIGIN;
    use http::{HeaderMap, HeaderValue};

    fn headers(origin: &str) -> HeaderMap {
        HeaderMap::from_iter([(ORIGIN, HeaderValue::from_str(origin).expect("a value"))])
    }

    fn allowed() -> AllowedOrigins {
        AllowedOrigins::new(
            &["https://app.example".to_owned()],
            Some("https://meet.example/base"),
        )
    }

    #[test]
    fn pages_of_configured_origins_of_the_public_url_and_of_the_server_itself_are_allowed() {
        let host = Some("face.example:8080");
        for origin in [
            "https://app.example",
            "https://APP.example:443",
            "https://meet.example",
            "https://meet.example:443",
            "http://face.example:8080",
        ] {
            assert!(allowed().check(&headers(origin), host).is_ok(), "{origin}");
        }
        assert!(
            allowed()
                .check(&headers("https://face.example"), Some("face.example:443"))
                .is_ok()
        );
        assert!(
            allowed().check(&HeaderMap::new(), host).is_ok(),
            "not a browser"
        );
    }

    #[test]
    fn a_refusal_names_the_origin_and_the_setting() {
        for origin in [
            "https://evil.example",
            "null",
            "http://meet.example",
            "http://face.example:8080.evil.example",
            "http://face.example",
        ] {
            let refused = allowed()
                .check(&headers(origin), Some("face.example:8080"))
                .expect_err("another origin");
            assert_eq!(refused.code, ErrorCode::Forbidden);
            assert_eq!(
                refused.detail,
                format!("origin {origin} is not in http.cors_origins")
            );
        }
        let long = format!("https://{}", "x".repeat(5_000));
        let refused = allowed()
            .check(&headers(&long), None)
            .expect_err("another origin");
        assert!(refused.detail.len() < 400, "{}", refused.detail);
    }
}
