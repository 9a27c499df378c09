//! Request ids, by which a client and the log name the same request.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries the id, in both directions.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The caller's id, if it is 1 to 64 of `A-Z a-z 0-9 . _ -`; else one made by `fresh`.
    pub fn of(headers: &HeaderMap, fresh: impl FnOnce() -> u64) -> Self {
        let given = headers
            .get(X_REQUEST_ID)
            .filter(|value| is_acceptable(value.as_bytes()));
        Self(given.cloned().unwrap_or_else(|| HeaderValue::from(fresh())))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().expect("invariant: an id is plain text")
    }

    /// The id as a header value.
    #[must_use]
    pub fn into_header(self) -> HeaderValue {
        self.0
    }
}

fn is_acceptable(id: &[u8]) -> bool {
    (1..=64).contains(&id.len())
        && id
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::{RequestId, X_REQUEST_ID};
    use http::{HeaderMap, HeaderValue};

    fn id(given: &str) -> String {
        let headers: HeaderMap = [(X_REQUEST_ID, HeaderValue::from_str(given).expect("a value"))]
            .into_iter()
            .collect();
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
