//! Maps domain errors to HTTP responses with RFC 9457 problem documents.
//!
//! An error response leaves its handler without a body and carries its error in an extension
//! ([`ResponseError`]). The outermost middleware writes the document, because it alone knows the
//! request id, and logs the error's cause under that id. Errors that no handler made (unknown path,
//! unknown method, a panic) take the same path.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use faceshare_biz::{Error, ErrorCode, Violation};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// The media type of problem documents.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// The `Retry-After` of an error that does not bring its own.
const RETRY_DEFAULT: Duration = Duration::from_secs(1);

/// The status and the title of each code.
#[must_use]
pub const fn status_and_title(code: ErrorCode) -> (StatusCode, &'static str) {
    match code {
        ErrorCode::InvalidArgument => (StatusCode::BAD_REQUEST, "The request is not valid"),
        ErrorCode::Unauthenticated => (StatusCode::UNAUTHORIZED, "Sign in first"),
        ErrorCode::TokenExpired => (StatusCode::UNAUTHORIZED, "The token has expired"),
        ErrorCode::PasswordIncorrect => (StatusCode::UNAUTHORIZED, "Wrong name or password"),
        ErrorCode::Forbidden => (StatusCode::FORBIDDEN, "Not allowed"),
        ErrorCode::NotFound => (StatusCode::NOT_FOUND, "Not found"),
        ErrorCode::NumberCodeNotJoinable => (StatusCode::NOT_FOUND, "The code does not work"),
        ErrorCode::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
        ErrorCode::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "The request took too long"),
        ErrorCode::AlreadyExists => (StatusCode::CONFLICT, "Already exists"),
        ErrorCode::Conflict => (StatusCode::CONFLICT, "Conflict with the current state"),
        ErrorCode::SessionEnded => (StatusCode::GONE, "The session has ended"),
        ErrorCode::PreconditionFailed => {
            (StatusCode::PRECONDITION_FAILED, "A condition does not hold")
        }
        ErrorCode::PayloadTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
        ErrorCode::UnsupportedMediaType => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type")
        }
        ErrorCode::RangeNotSatisfiable => {
            (StatusCode::RANGE_NOT_SATISFIABLE, "Range not satisfiable")
        }
        ErrorCode::LimitExceeded => (StatusCode::UNPROCESSABLE_ENTITY, "A limit is reached"),
        ErrorCode::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
        ErrorCode::HeadersTooLarge => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "The headers are too large",
        ),
        ErrorCode::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
        ErrorCode::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Not available right now"),
        ErrorCode::PresenterActive => (StatusCode::CONFLICT, "Another member presents"),
        ErrorCode::NotPresenting => (StatusCode::CONFLICT, "Not presenting"),
        ErrorCode::FollowSelf => (StatusCode::BAD_REQUEST, "A member cannot follow itself"),
        ErrorCode::FollowCycle => (StatusCode::CONFLICT, "The target follows the sender"),
        ErrorCode::FollowLocked => (
            StatusCode::FORBIDDEN,
            "Following is locked by the presenter",
        ),
        ErrorCode::MemberNotFound => (StatusCode::NOT_FOUND, "No such member"),
        ErrorCode::NothingToCancel => (StatusCode::CONFLICT, "There is nothing to cancel"),
        ErrorCode::CallOver => (StatusCode::CONFLICT, "The call has ended"),
        ErrorCode::CallActive => (StatusCode::CONFLICT, "There is a call already"),
        ErrorCode::CodeIncorrect => (StatusCode::UNAUTHORIZED, "Wrong code"),
        ErrorCode::AccountBanned => (StatusCode::FORBIDDEN, "The account is banned"),
        ErrorCode::RecipientUnavailable => (
            StatusCode::FORBIDDEN,
            "The recipient does not take messages",
        ),
        ErrorCode::Silenced => (StatusCode::FORBIDDEN, "Not allowed to send messages"),
        ErrorCode::TooLate => (StatusCode::CONFLICT, "Too late"),
        ErrorCode::MessageRecalled => (StatusCode::GONE, "The message was recalled"),
        ErrorCode::InsufficientBalance => {
            (StatusCode::UNPROCESSABLE_ENTITY, "The balance is too low")
        }
    }
}

/// The error for a status that no handler of ours set. `None` when the status is no error.
#[must_use]
pub fn error_for_status(status: StatusCode) -> Option<Error> {
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    let code = match status {
        StatusCode::UNAUTHORIZED => ErrorCode::Unauthenticated,
        StatusCode::FORBIDDEN => ErrorCode::Forbidden,
        StatusCode::NOT_FOUND => {
            return Some(Error::new(
                ErrorCode::NotFound,
                "there is nothing at this path",
            ));
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            return Some(Error::new(
                ErrorCode::MethodNotAllowed,
                "the Allow header names the methods of this path",
            ));
        }
        StatusCode::REQUEST_TIMEOUT => ErrorCode::RequestTimeout,
        StatusCode::CONFLICT => ErrorCode::Conflict,
        StatusCode::GONE => ErrorCode::SessionEnded,
        StatusCode::PRECONDITION_FAILED => ErrorCode::PreconditionFailed,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::PayloadTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ErrorCode::UnsupportedMediaType,
        StatusCode::RANGE_NOT_SATISFIABLE => ErrorCode::RangeNotSatisfiable,
        StatusCode::TOO_MANY_REQUESTS => ErrorCode::RateLimited,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => ErrorCode::HeadersTooLarge,
        StatusCode::SERVICE_UNAVAILABLE => ErrorCode::Unavailable,
        other if other.is_server_error() => ErrorCode::Internal,
        _ => ErrorCode::InvalidArgument,
    };
    Some(Error::new(code, status_and_title(code).1))
}

/// A domain error as handlers return it.
#[derive(Debug)]
pub struct HttpError(pub Error);

impl<E: Into<Error>> From<E> for HttpError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// Response extension that carries the error to the middleware that writes the document.
#[derive(Debug, Clone)]
pub struct ResponseError(pub Arc<Error>);

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let mut response = status_and_title(self.0.code).0.into_response();
        response
            .extensions_mut()
            .insert(ResponseError(Arc::new(self.0)));
        response
    }
}

/// The name of an [`ErrorCode`] on the wire, for the OpenAPI document.
struct ErrorCodeName;

impl PartialSchema for ErrorCodeName {
    fn schema() -> RefOr<Schema> {
        let description = "The kinds of problems: a closed set. Act on the status of a code that you do not know. Some codes are used in `nack` frames alone, some not in this release.";
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(description))
            .enum_values(Some(ErrorCode::ALL.iter().map(|code| code.as_str())))
            .examples([ErrorCode::NotFound.as_str()])
            .into()
    }
}

impl ToSchema for ErrorCodeName {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ErrorCode")
    }
}

/// One field that is wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldProblem {
    /// Path of the field in the request; empty for the body as a whole.
    #[schema(example = "device.name")]
    path: String,
    /// What is wrong with the field and what is allowed.
    message: String,
}

/// An RFC 9457 problem document. Programs act on `code`, and on the status when they do not know
/// the code.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Names the kind of problem; the URN leads to no page.
    #[serde(rename = "type")]
    #[schema(example = "urn:faceshare:error:NOT_FOUND")]
    kind: String,
    /// The kind of problem, for people.
    #[schema(example = "Not found")]
    title: &'static str,
    /// The status of the response.
    #[schema(example = 404)]
    status: u16,
    /// This problem, for people.
    #[schema(example = "there is no such thing, or it is not yours to see")]
    detail: String,
    /// The kind of problem, for programs.
    #[schema(value_type = ErrorCodeName)]
    code: &'static str,
    /// The request's id: the server's log has more under it.
    #[schema(example = "7301444403200000001")]
    request_id: String,
    /// Each field that is wrong, with `INVALID_ARGUMENT`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldProblem>,
}

impl Problem {
    fn new(error: &Error, status: StatusCode, request_id: &str) -> Self {
        let field = |v: &Violation| FieldProblem {
            path: v.path.clone(),
            message: v.message.clone(),
        };
        Self {
            kind: format!("urn:faceshare:error:{}", error.code),
            title: status_and_title(error.code).1,
            status: status.as_u16(),
            detail: error.detail.to_string(),
            code: error.code.as_str(),
            request_id: request_id.to_owned(),
            errors: error.violations.iter().map(field).collect(),
        }
    }
}

/// Writes the problem document and its headers into an error response. Other headers of the
/// response (such as `Allow`) stay.
pub fn write_problem(response: Response, error: &Error, request_id: &str) -> Response {
    let (mut parts, _) = response.into_parts();
    let body = serde_json::to_vec(&Problem::new(error, parts.status, request_id))
        .expect("invariant: a problem has string keys and plain values");
    parts.headers.remove(http::header::CONTENT_LENGTH);
    parts
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if let Some(after) = wait_before_retry(error) {
        parts
            .headers
            .insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
    }
    if parts.status == StatusCode::UNAUTHORIZED {
        let challenge = if error.code == ErrorCode::TokenExpired {
            "Bearer error=\"invalid_token\""
        } else {
            "Bearer"
        };
        parts
            .headers
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    Response::from_parts(parts, Body::from(body))
}

fn wait_before_retry(error: &Error) -> Option<Duration> {
    let always = matches!(error.code, ErrorCode::RateLimited | ErrorCode::Unavailable);
    error
        .retry_after
        .or_else(|| always.then_some(RETRY_DEFAULT))
}

/// Rounded up, at least 1, so that a client that waits this long has waited long enough.
pub(crate) fn whole_seconds(span: Duration) -> u64 {
    span.as_secs()
        .saturating_add(u64::from(span.subsec_nanos() > 0))
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::{HttpError, error_for_status, status_and_title, write_problem};
    use axum::response::IntoResponse;
    use faceshare_biz::{Error, ErrorCode};
    use http::StatusCode;
    use std::time::Duration;

    #[test]
    fn every_code_has_its_status() {
        let expected: &[(&str, u16)] = &[
            ("INVALID_ARGUMENT", 400),
            ("UNAUTHENTICATED", 401),
            ("TOKEN_EXPIRED", 401),
            ("PASSWORD_INCORRECT", 401),
            ("FORBIDDEN", 403),
            ("NOT_FOUND", 404),
            ("NUMBER_CODE_NOT_JOINABLE", 404),
            ("METHOD_NOT_ALLOWED", 405),
            ("REQUEST_TIMEOUT", 408),
            ("ALREADY_EXISTS", 409),
            ("CONFLICT", 409),
            ("SESSION_ENDED", 410),
            ("PRECONDITION_FAILED", 412),
            ("PAYLOAD_TOO_LARGE", 413),
            ("UNSUPPORTED_MEDIA_TYPE", 415),
            ("RANGE_NOT_SATISFIABLE", 416),
            ("LIMIT_EXCEEDED", 422),
            ("RATE_LIMITED", 429),
            ("HEADERS_TOO_LARGE", 431),
            ("INTERNAL", 500),
            ("UNAVAILABLE", 503),
            ("PRESENTER_ACTIVE", 409),
            ("NOT_PRESENTING", 409),
            ("FOLLOW_SELF", 400),
            ("FOLLOW_CYCLE", 409),
            ("FOLLOW_LOCKED", 403),
            ("MEMBER_NOT_FOUND", 404),
            ("NOTHING_TO_CANCEL", 409),
            ("CALL_OVER", 409),
            ("CALL_ACTIVE", 409),
            ("CODE_INCORRECT", 401),
            ("ACCOUNT_BANNED", 403),
            ("RECIPIENT_UNAVAILABLE", 403),
            ("SILENCED", 403),
            ("TOO_LATE", 409),
            ("MESSAGE_RECALLED", 410),
            ("INSUFFICIENT_BALANCE", 422),
        ];
        let mapped: Vec<_> = ErrorCode::ALL
            .iter()
            .map(|c| (c.as_str(), status_and_title(*c).0.as_u16()))
            .collect();
        assert_eq!(mapped, expected);
    }

    #[test]
    fn a_status_without_an_error_gets_a_code_of_the_same_status() {
        for status in [
            401, 403, 404, 405, 408, 409, 410, 412, 413, 415, 416, 429, 431, 500, 503,
        ]
        .map(StatusCode::from_u16)
        {
            let status = status.expect("a status");
            let error = error_for_status(status).expect("an error");
            assert_eq!(status_and_title(error.code).0, status);
        }
        assert!(error_for_status(StatusCode::SWITCHING_PROTOCOLS).is_none());
        assert!(error_for_status(StatusCode::NO_CONTENT).is_none());
    }

    fn written(error: Error) -> http::HeaderMap {
        let response = HttpError(Error::new(error.code, "")).into_response();
        write_problem(response, &error, "r").headers().clone()
    }

    #[test]
    fn an_error_that_allows_a_retry_has_retry_after() {
        let wait = |e: Error| {
            written(e)
                .get("retry-after")
                .map(|v| v.to_str().expect("text").to_owned())
        };
        assert_eq!(
            wait(Error::new(ErrorCode::RateLimited, "")),
            Some("1".to_owned())
        );
        assert_eq!(
            wait(Error::new(ErrorCode::RateLimited, "").retry_after(Duration::from_millis(1_200))),
            Some("2".to_owned())
        );
        assert_eq!(
            wait(Error::new(ErrorCode::Conflict, "").retry_after(Duration::from_millis(1))),
            Some("1".to_owned())
        );
        assert_eq!(wait(Error::unavailable("x")), Some("1".to_owned()));
        assert_eq!(wait(Error::not_found()), None);
    }

    #[test]
    fn a_401_names_the_scheme() {
        assert_eq!(
            written(Error::new(ErrorCode::Unauthenticated, ""))["www-authenticate"],
            "Bearer"
        );
        assert!(written(Error::new(ErrorCode::TokenExpired, "")).contains_key("www-authenticate"));
    }
}
