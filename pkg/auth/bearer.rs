//! `Authorization: Bearer <token>`.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use pasetotoken::MAX_TOKEN_LEN;

use crate::error::AuthError;
use crate::token::Token;

const SCHEME: &str = "bearer";
/// The scheme, a few spaces and the longest token.
const MAX_CREDENTIALS_LEN: usize = SCHEME.len() + 1 + MAX_TOKEN_LEN;

/// Reads the bearer token of a request.
///
/// # Errors
/// [`AuthError::Missing`] without an `Authorization` header; [`AuthError::Malformed`] with several,
/// with another scheme, or with anything but one token.
pub fn bearer_from_headers(headers: &HeaderMap) -> Result<Token, AuthError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Err(AuthError::Missing),
        (Some(value), None) => parse_bearer(value),
        (Some(_), Some(_)) => Err(AuthError::Malformed),
    }
}

/// Reads the value of an `Authorization` header: the scheme in any case, one or more spaces, one
/// token in the alphabet of RFC 6750, nothing after it, 2055 bytes at most.
///
/// # Errors
/// [`AuthError::Malformed`] for anything else.
pub fn parse_bearer(value: &HeaderValue) -> Result<Token, AuthError> {
    parse(value.as_bytes()).ok_or(AuthError::Malformed)
}

fn parse(credentials: &[u8]) -> Option<Token> {
    if credentials.len() > MAX_CREDENTIALS_LEN {
        return None;
    }
    let (scheme, rest) = std::str::from_utf8(credentials).ok()?.split_once(' ')?;
    let token = rest.trim_start_matches(' ');
    (scheme.eq_ignore_ascii_case(SCHEME) && is_token68(token)).then(|| Token::from(token))
}

/// RFC 6750's `b64token`: letters, digits and `-._~+/`, then any number of `=`.
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    // `fold` looks at every byte without an early exit, so the compiler can vectorise it.
    !body.is_empty()
        && body
            .bytes()
            .fold(true, |all, byte| all & is_token_byte(byte))
}

const fn is_token_byte(byte: u8) -> bool {
    // `-`, `.`, `/` and the digits are adjacent in ASCII.
    byte.is_ascii_alphabetic() | matches!(byte, b'-'..=b'9') | matches!(byte, b'+' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(value: &str) -> Result<String, AuthError> {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
        parse_bearer(&value).map(|token| token.expose().to_owned())
    }

    #[test]
    fn the_scheme_is_read_in_any_case_and_with_several_spaces() {
        for value in [
            "Bearer v4.local.a-b_c",
            "bearer v4.local.a-b_c",
            "BEARER   v4.local.a-b_c",
        ] {
            assert_eq!(parsed(value).as_deref(), Ok("v4.local.a-b_c"), "{value}");
        }
        assert_eq!(parsed("Bearer YQ==").as_deref(), Ok("YQ=="));
    }

    #[test]
    fn anything_but_one_token_is_malformed() {
        let values = [
            "",
            "Bearer",
            "Bearer ",
            "Bearer  ",
            "Basic YTpi",
            "Bearer a b",
            "Bearer a,b",
            "Bearer a, Bearer b",
            "Bearer\ta",
            "Bearera",
            "Bearer =",
            "Bearer a=b",
            "Bearer \u{e9}",
            "Bearer \"a\"",
            " Bearer a",
            "Bearer a ",
        ];
        for value in values {
            assert_eq!(parsed(value), Err(AuthError::Malformed), "{value:?}");
        }
    }

    #[test]
    fn the_length_is_bounded() {
        assert!(parsed(&format!("Bearer {}", "a".repeat(MAX_TOKEN_LEN))).is_ok());
        assert_eq!(
            parsed(&format!("Bearer {}", "a".repeat(MAX_TOKEN_LEN + 1))),
            Err(AuthError::Malformed)
        );
    }

    #[test]
    fn none_is_missing_and_two_are_malformed() {
        let mut headers = HeaderMap::new();
        assert_eq!(
            bearer_from_headers(&headers).expect_err("none"),
            AuthError::Missing
        );
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        assert_eq!(bearer_from_headers(&headers).expect("one").expose(), "a");
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        assert_eq!(
            bearer_from_headers(&headers).expect_err("two"),
            AuthError::Malformed
        );
    }

    #[test]
    fn debug_hides_the_token() {
        let token = parse_bearer(&HeaderValue::from_static("Bearer verysecret"));
        assert!(!format!("{token:?}").contains("verysecret"));
    }

    #[test]
    fn the_alphabet_is_that_of_rfc_6750() {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        assert!((0..=u8::MAX).all(|byte| is_token_byte(byte) == allowed(byte)));
    }

    proptest! {
        #[test]
        fn what_is_read_is_one_token(value in "([Bb]earer )?[ -~]{0,40}") {
            if let Ok(token) = parsed(&value) {
                prop_assert!(value.ends_with(&token) && is_token68(&token));
            }
        }
    }
}
