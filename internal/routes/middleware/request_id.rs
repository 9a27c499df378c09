//! The name of a request, by which a client and the log speak of the same thing.

use http::{HeaderMap, HeaderName};
use std::sync::Arc;

/// The header that carries it, both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request at hand; an extension of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The caller's, if it is 1 to 64 of `A-Z a-z 0-9 . _ -`; else one made by `fresh`.
    pub fn of(headers: &HeaderMap, fresh: impl FnOnce() -> u64) -> Self {
        let given = headers.get(X_REQUEST_ID).and_then(|v| v.to_str().ok()).filter(|v| is_acceptable(v));
        Self(given.map_or_else(|| fresh().to_string().into(), Into::into))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_acceptable(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::{RequestId, X_REQUEST_ID};
    use http::{HeaderMap, HeaderValue};

    fn id(given: &str) -> String {
        let headers: HeaderMap = [(X_REQUEST_ID, HeaderValue::from_str(given).expect("a value"))].into_iter().collect();
        RequestId::of(&headers, || 7).as_str().to_owned()
    }

    #[test]
    fn the_callers_id_is_kept_if_it_is_harmless() {
        assert_eq!(id("a.B-9_z"), "a.B-9_z");
        assert_eq!(id(&"x".repeat(64)), "x".repeat(64));
        for bad in ["", " ", "a b", "a/b", "a\"b", &"x".repeat(65)] {
            assert_eq!(id(bad), "7", "{bad}");
        }
    }
}
