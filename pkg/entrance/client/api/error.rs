//! How a call fails: refused by the server with a code, or not answered at all.

use serde::Deserialize;
use std::time::Duration;

/// The server's refusal: what its problem document said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// One of the contract's closed set of codes; treat an unknown one by its status.
    pub code: String,
    /// For people; safe to show.
    pub detail: String,
    /// What to quote to whoever runs the server.
    pub request_id: Option<String>,
    /// Wait this long before trying again.
    pub retry_after: Option<Duration>,
    /// For `INVALID_ARGUMENT`: which fields.
    pub errors: Vec<FieldError>,
}

/// One field that the server did not accept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FieldError {
    /// Where in the request, e.g. `device.name`.
    #[serde(default)]
    pub path: String,
    /// What is allowed there.
    #[serde(default)]
    pub message: String,
}

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The server refused.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// The server could not be reached, or the connection broke.
    #[error("cannot reach the server: {0}")]
    Unreachable(#[source] reqwest::Error),
    /// The answer is not what this build understands.
    #[error("unexpected answer: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// The address is no URL.
    #[error("not a server address: {0}")]
    BadAddress(String),
    /// The call needs a signed-in caller.
    #[error("not signed in")]
    SignedOut,
}

impl CallError {
    /// The code of the refusal, if it is one.
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
    /// From an answer's status, headers and body; a body that is no problem document (a proxy's page) gives the code of the status.
    #[must_use]
    pub fn from_answer(status: u16, headers: &http::HeaderMap, body: &[u8]) -> Self {
        let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
        let header = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let code = if problem.code.is_empty() { code_of(status).to_owned() } else { problem.code };
        let said = if problem.detail.is_empty() { problem.title } else { problem.detail };
        Self {
            status,
            code,
            detail: if said.is_empty() { format!("the server answered {status}") } else { said },
            request_id: problem.request_id.or_else(|| header("x-request-id").map(str::to_owned)),
            retry_after: header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs),
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
    fn a_problem_document_is_read_whole() {
        let body = br#"{"type": "about:blank", "title": "Bad", "status": 400, "detail": "title is too long", "code": "INVALID_ARGUMENT",
            "requestId": "r1", "errors": [{"path": "title", "message": "at most 100"}]}"#;
        let error = ApiError::from_answer(400, &HeaderMap::new(), body);
        assert_eq!((error.code.as_str(), error.detail.as_str()), ("INVALID_ARGUMENT", "title is too long"));
        assert_eq!((error.request_id.as_deref(), error.errors[0].path.as_str()), (Some("r1"), "title"));
    }

    #[test]
    fn an_answer_of_something_in_between_is_known_by_its_status() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_static("7"));
        let error = ApiError::from_answer(503, &headers, b"<html>");
        assert_eq!((error.code.as_str(), error.retry_after), ("UNAVAILABLE", Some(Duration::from_secs(7))));
        for (status, code) in
            [(401, "UNAUTHENTICATED"), (404, "NOT_FOUND"), (410, "SESSION_ENDED"), (429, "RATE_LIMITED"), (500, "INTERNAL")]
        {
            assert_eq!(ApiError::from_answer(status, &HeaderMap::new(), b"").code, code);
        }
    }
}
