//! How a call fails: the server refuses it with a code, or gives no answer.

use serde::Deserialize;
use std::time::Duration;

/// The server's refusal, from its problem document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// One of the contract's error codes; treat an unknown code by its status.
    pub code: String,
    /// A text for people; safe to show.
    pub detail: String,
    /// The request's id, for the server's operator.
    pub request_id: Option<String>,
    /// How long to wait before the next try.
    pub retry_after: Option<Duration>,
    /// The invalid fields, for `INVALID_ARGUMENT`.
    pub errors: Vec<FieldError>,
}

/// One field that the server did not accept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FieldError {
    /// The field's path in the request, e.g. `device.name`.
    #[serde(default)]
    pub path: String,
    /// The allowed values.
    #[serde(default)]
    pub message: String,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The server refused.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// The server could not be reached, or the connection broke.
    #[error("cannot reach the server: {0}")]
    Unreachable(#[source] reqwest::Error),
    /// This build cannot read the answer.
    #[error("unexpected answer: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// The address is not a URL.
    #[error("not a server address: {0}")]
    BadAddress(String),
    /// The call needs credentials.
    #[error("not signed in")]
    SignedOut,
}

impl CallError {
    /// The code of the refusal; `None` for other errors.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(error) => Some(&error.code),
            _ => None,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Problem {
    title: String,
    detail: String,
    code: String,
    request_id: Option<String>,
    errors: Vec<FieldError>,
}

impl ApiError {
    /// Reads an answer's status, headers and body. If the body is not a problem document (a proxy's
    /// page), the code follows from the status.
    #[must_use]
    pub fn from_answer(status: u16, headers: &http::HeaderMap, body: &[u8]) -> Self {
        let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
        let header = |name| {
            headers
                .get(name)
                .and_then(|value: &http::HeaderValue| value.to_str().ok())
        };
        let code = if problem.code.is_empty() {
            code_of(status).to_owned()
        } else {
            problem.code
        };
        let text = if problem.detail.is_empty() {
            problem.title
        } else {
            problem.detail
        };
        Self {
            status,
            code,
            detail: if text.is_empty() {
                format!("the server answered {status}")
            } else {
                text
            },
            request_id: problem
                .request_id
                .or_else(|| header("x-request-id").map(str::to_owned)),
            retry_after: header("retry-after")
                .and_then(|text| text.trim().parse().ok())
                .map(Duration::from_secs),
            errors: problem.errors,
        }
    }
}

const fn code_of(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        409 => "CONFLICT",
        410 => "SESSION_ENDED",
        413 => "PAYLOAD_TOO_LARGE",
        422 => "LIMIT_EXCEEDED",
        429 => "RATE_LIMITED",
        502..=504 => "UNAVAILABLE",
        400..=499 => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    }
}

#[cfg(test)]
mod tests {
    use super::ApiError;
    use http::{HeaderMap, HeaderValue};
    use std::time::Duration;

    #[test]
    fn a_problem_document_is_read_completely() {
        let body = br#"{"type": "about:blank", "title": "Bad", "status": 400, "detail": "title is too long", "code": "INVALID_ARGUMENT",
            "requestId": "r1", "errors": [{"path": "title", "message": "at most 100"}]}"#;
        let error = ApiError::from_answer(400, &HeaderMap::new(), body);
        assert_eq!(
            (error.code.as_str(), error.detail.as_str()),
            ("INVALID_ARGUMENT", "title is too long")
        );
        assert_eq!(
            (error.request_id.as_deref(), error.errors[0].path.as_str()),
            (Some("r1"), "title")
        );
    }

    #[test]
    fn the_answer_of_a_proxy_gives_the_code_of_its_status() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_static("7"));
        let error = ApiError::from_answer(503, &headers, b"<html>");
        assert_eq!(
            (error.code.as_str(), error.retry_after),
            ("UNAVAILABLE", Some(Duration::from_secs(7)))
        );
        for (status, code) in [
            (401, "UNAUTHENTICATED"),
            (404, "NOT_FOUND"),
            (410, "SESSION_ENDED"),
            (429, "RATE_LIMITED"),
            (500, "INTERNAL"),
        ] {
            assert_eq!(
                ApiError::from_answer(status, &HeaderMap::new(), b"").code,
                code
            );
        }
    }
}
