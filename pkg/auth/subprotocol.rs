//! `Sec-WebSocket-Protocol`: what a client offers, and the token of a client that cannot send
//! headers.

use http::HeaderMap;
use http::header::SEC_WEBSOCKET_PROTOCOL;

use crate::error::AuthError;
use crate::token::Token;

/// The prefix of the entry that carries a token.
pub const BEARER_PREFIX: &str = "bearer.";
/// The most protocols that a client may offer.
pub const MAX_OFFERED_PROTOCOLS: usize = 16;
/// The longest header in bytes over all its lines: one token and the offered protocols.
const MAX_HEADER_LEN: usize = 4096;

/// The entries of a `Sec-WebSocket-Protocol` header, with the token separated.
#[derive(Debug, Clone, Default)]
pub struct SubprotocolOffer {
    /// The offered protocols, in the client's order of preference. Never includes the token.
    pub protocols: Vec<String>,
    /// The token of an entry `bearer.<token>`, not verified. It may be empty or too long:
    /// verification then refuses it like any other bad token.
    pub bearer: Option<Token>,
}

impl SubprotocolOffer {
    /// Reads all lines of the header. The offer is empty if there is none.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] if the header is longer than 4096 bytes, offers more than
    /// [`MAX_OFFERED_PROTOCOLS`], carries two tokens, or is not a list of tokens in RFC 9110's sense.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, AuthError> {
        let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL);
        if lines.iter().map(|line| line.len()).sum::<usize>() > MAX_HEADER_LEN {
            return Err(AuthError::Malformed);
        }
        let mut offer = Self::default();
        for line in &lines {
            let line = line.to_str().map_err(|_| AuthError::Malformed)?;
            for entry in line.split(',') {
                offer
                    .add(entry.trim_matches([' ', '\t']))
                    .ok_or(AuthError::Malformed)?;
            }
        }
        Ok(offer)
    }

    /// The client's most preferred protocol among `supported`.
    #[must_use]
    pub fn select<'a>(&self, supported: &[&'a str]) -> Option<&'a str> {
        self.protocols
            .iter()
            .find_map(|offered| supported.iter().copied().find(|name| name == offered))
    }

    /// Adds one entry; `None` if it is not acceptable.
    fn add(&mut self, entry: &str) -> Option<()> {
        if !is_token(entry) {
            return None;
        }
        match entry.strip_prefix(BEARER_PREFIX) {
            Some(token) => self
                .bearer
                .replace(Token::from(token))
                .is_none()
                .then_some(()),
            None if self.protocols.len() == MAX_OFFERED_PROTOCOLS => None,
            None => {
                self.protocols.push(entry.to_owned());
                Some(())
            }
        }
    }
}

/// A token as RFC 9110 defines it.
fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn offer(lines: &[&str]) -> Result<SubprotocolOffer, AuthError> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                SEC_WEBSOCKET_PROTOCOL,
                HeaderValue::from_bytes(line.as_bytes()).expect("a value"),
            );
        }
        SubprotocolOffer::from_headers(&headers)
    }

    #[test]
    fn the_token_is_separated_from_the_protocols_over_all_lines() {
        for lines in [
            vec!["app.v1.json, bearer.v4.local.abc-_, app.v1.proto"],
            vec!["app.v1.json", "bearer.v4.local.abc-_,app.v1.proto"],
        ] {
            let offer = offer(&lines).expect("an offer");
            assert_eq!(offer.protocols, ["app.v1.json", "app.v1.proto"]);
            assert_eq!(offer.bearer.expect("a token").expose(), "v4.local.abc-_");
        }
    }

    #[test]
    fn an_absent_header_offers_nothing() {
        let offer = offer(&[]).expect("an offer");
        assert!(offer.protocols.is_empty() && offer.bearer.is_none());
    }

    #[test]
    fn the_clients_preference_decides() {
        let offer = offer(&["x, b, a"]).expect("an offer");
        assert_eq!(offer.select(&["a", "b"]), Some("b"));
        assert_eq!(offer.select(&["c"]), None);
    }

    #[test]
    fn an_empty_token_is_still_a_token() {
        assert_eq!(
            offer(&["a, bearer."])
                .expect("an offer")
                .bearer
                .expect("a token")
                .expose(),
            ""
        );
    }

    #[test]
    fn a_malformed_list_is_refused() {
        for line in [
            "",
            ",",
            "a,,b",
            "a b",
            "a, \"b\"",
            "bearer.a, bearer.b",
            "\u{e9}",
            "a/b",
        ] {
            assert_eq!(
                offer(&[line]).expect_err("refused"),
                AuthError::Malformed,
                "{line:?}"
            );
        }
        let many = |count| vec!["a"; count].join(",");
        assert!(offer(&[&many(MAX_OFFERED_PROTOCOLS)]).is_ok());
        assert!(offer(&[&many(MAX_OFFERED_PROTOCOLS + 1)]).is_err());
        assert!(offer(&["a".repeat(MAX_HEADER_LEN - 1).as_str(), "bb"]).is_err());
    }

    #[test]
    fn debug_hides_the_token() {
        assert!(!format!("{:?}", offer(&["bearer.verysecret"])).contains("verysecret"));
    }

    proptest! {
        #[test]
        fn the_token_is_never_among_the_protocols(line in "((bearer\\.)?[a-z.]{0,6}[ ,]{0,2}){0,6}") {
            if let Ok(offer) = offer(&[&line]) {
                prop_assert!(offer.protocols.iter().all(|name| !name.starts_with(BEARER_PREFIX)));
            }
        }
    }
}
