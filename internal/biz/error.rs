//! One closed set of error codes. The text for clients is separate from the cause for the log.

use std::borrow::Cow;
use std::time::Duration;

/// The result of every port and use case.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Cause = Box<dyn std::error::Error + Send + Sync>;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// Why a call was refused or failed. The set is closed: each transport maps all codes in
        /// one exhaustive match.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// All codes, for table tests and documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name of the code on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

error_codes! {
    /// A field is missing, of the wrong type or out of its range.
    InvalidArgument => "INVALID_ARGUMENT",
    /// The credentials are missing or not valid: the client must sign in.
    Unauthenticated => "UNAUTHENTICATED",
    /// The access token has expired: the client must refresh it.
    TokenExpired => "TOKEN_EXPIRED",
    /// The username or the password is wrong.
    PasswordIncorrect => "PASSWORD_INCORRECT",
    /// The caller may read the object but not do this.
    Forbidden => "FORBIDDEN",
    /// There is no such object, or the caller may not know of it.
    NotFound => "NOT_FOUND",
    /// The number code or invite does not work; the code is the same for every reason.
    NumberCodeNotJoinable => "NUMBER_CODE_NOT_JOINABLE",
    /// The path does not support this method.
    MethodNotAllowed => "METHOD_NOT_ALLOWED",
    /// The request did not arrive in time.
    RequestTimeout => "REQUEST_TIMEOUT",
    /// An object with this unique value exists already.
    AlreadyExists => "ALREADY_EXISTS",
    /// Another request changed the object first, or is still running.
    Conflict => "CONFLICT",
    /// The session has ended.
    SessionEnded => "SESSION_ENDED",
    /// A condition in the request's headers does not hold.
    PreconditionFailed => "PRECONDITION_FAILED",
    /// A body or frame is larger than allowed.
    PayloadTooLarge => "PAYLOAD_TOO_LARGE",
    /// The media type of the body is not supported.
    UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
    /// The requested range is outside the content.
    RangeNotSatisfiable => "RANGE_NOT_SATISFIABLE",
    /// A number of objects is at its limit.
    LimitExceeded => "LIMIT_EXCEEDED",
    /// Too many requests or attempts; `retry_after` says how long to wait.
    RateLimited => "RATE_LIMITED",
    /// The request's headers are larger than allowed.
    HeadersTooLarge => "HEADERS_TOO_LARGE",
    /// A bug of the server; the log holds the cause under the request id.
    Internal => "INTERNAL",
    /// The server cannot do this now; the client may repeat the call later.
    Unavailable => "UNAVAILABLE",
    /// Another member presents.
    PresenterActive => "PRESENTER_ACTIVE",
    /// No member presents, or not the sender.
    NotPresenting => "NOT_PRESENTING",
    /// A member cannot follow itself.
    FollowSelf => "FOLLOW_SELF",
    /// The target follows the sender, directly or through others.
    FollowCycle => "FOLLOW_CYCLE",
    /// The presenter does not let followers stop.
    FollowLocked => "FOLLOW_LOCKED",
    /// The session has no such member.
    MemberNotFound => "MEMBER_NOT_FOUND",
    /// There is no countdown to cancel.
    NothingToCancel => "NOTHING_TO_CANCEL",
    /// The call has ended.
    CallOver => "CALL_OVER",
    /// There is a call already.
    CallActive => "CALL_ACTIVE",
    /// The code that proves an address or a phone number is wrong.
    CodeIncorrect => "CODE_INCORRECT",
    /// The account is banned.
    AccountBanned => "ACCOUNT_BANNED",
    /// The recipient does not take messages from the caller.
    RecipientUnavailable => "RECIPIENT_UNAVAILABLE",
    /// The caller may not send messages here for now.
    Silenced => "SILENCED",
    /// The time in which this could be done is over.
    TooLate => "TOO_LATE",
    /// The message was recalled.
    MessageRecalled => "MESSAGE_RECALLED",
    /// The account's balance is too low.
    InsufficientBalance => "INSUFFICIENT_BALANCE",
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A field of a request that is not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field's path in the request: `device.name`, `ids[3]`.
    pub path: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

/// A refusal or failure: a code and a text for the client, and a cause for the log only.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Error {
    /// The code, of the closed set.
    pub code: ErrorCode,
    /// The text for the client; holds nothing internal.
    pub detail: Cow<'static, str>,
    /// The fields that are not valid, for [`ErrorCode::InvalidArgument`]; otherwise empty.
    pub violations: Vec<Violation>,
    /// How long the client must wait before it tries again; `None`: not stated.
    pub retry_after: Option<Duration>,
    #[source]
    cause: Option<Cause>,
}

impl Error {
    /// An error with a text for the client and without a cause.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            violations: Vec::new(),
            retry_after: None,
            cause: None,
        }
    }

    /// `INVALID_ARGUMENT` for one field.
    pub fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid_fields(vec![Violation {
            path: path.into(),
            message: message.into(),
        }])
    }

    /// `INVALID_ARGUMENT` for several fields.
    #[must_use]
    pub fn invalid_fields(violations: Vec<Violation>) -> Self {
        let detail = violations.first().map_or_else(
            || "the request is not valid".to_owned(),
            |v| {
                if v.path.is_empty() {
                    v.message.clone()
                } else {
                    format!("{}: {}", v.path, v.message)
                }
            },
        );
        Self {
            violations,
            ..Self::new(ErrorCode::InvalidArgument, detail)
        }
    }

    /// `NOT_FOUND` with a text that does not tell why.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(
            ErrorCode::NotFound,
            "there is no such thing, or it is not yours to see",
        )
    }

    /// `INTERNAL`: a bug. The cause goes to the log.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self {
            cause: Some(cause.into()),
            ..Self::new(ErrorCode::Internal, "something went wrong on our side")
        }
    }

    /// `UNAVAILABLE`: something that the call needs is unavailable for now. The client may retry
    /// after one second; the cause goes to the log.
    pub fn unavailable(cause: impl Into<Cause>) -> Self {
        let error = Self::new(
            ErrorCode::Unavailable,
            "the service cannot do this right now; try again",
        );
        Self {
            cause: Some(cause.into()),
            retry_after: Some(Duration::from_secs(1)),
            ..error
        }
    }

    /// Sets the time to wait before the next attempt.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The cause, for the log only.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.cause.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, ErrorCode};

    #[test]
    fn codes_are_distinct_and_shouting() {
        let mut names: Vec<_> = ErrorCode::ALL.iter().map(|c| c.as_str()).collect();
        assert!(
            names
                .iter()
                .all(|n| n.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
        );
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorCode::ALL.len());
    }

    #[test]
    fn a_cause_never_shows_in_the_public_text() {
        let error = Error::internal("SELECT secret FROM t");
        assert!(!error.to_string().contains("secret"));
        assert!(
            error
                .cause()
                .is_some_and(|c| c.to_string().contains("secret"))
        );
    }

    #[test]
    fn an_invalid_argument_names_its_field() {
        let error = Error::invalid("device.name", "at most 64 characters");
        assert_eq!(error.violations[0].path, "device.name");
        assert!(error.detail.contains("device.name"));
    }
}
