//! One closed set of error codes, with the text for the public kept apart from the cause for the log.

use std::borrow::Cow;
use std::time::Duration;

/// What the domain answers with.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Cause = Box<dyn std::error::Error + Send + Sync>;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// Why something was refused or failed. Closed: each transport maps every one of them, exhaustively, in one place.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// All of them, for table tests and documents.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name that clients see.
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
    /// No or no valid credentials: sign in.
    Unauthenticated => "UNAUTHENTICATED",
    /// The token was good and has expired: refresh.
    TokenExpired => "TOKEN_EXPIRED",
    /// The name or the password is wrong.
    PasswordIncorrect => "PASSWORD_INCORRECT",
    /// The caller may see it but not do this.
    Forbidden => "FORBIDDEN",
    /// There is no such thing, or none that the caller may know of.
    NotFound => "NOT_FOUND",
    /// The number code or invite does not work, for whatever reason.
    NumberCodeNotJoinable => "NUMBER_CODE_NOT_JOINABLE",
    /// The path knows other methods.
    MethodNotAllowed => "METHOD_NOT_ALLOWED",
    /// The request did not arrive in time.
    RequestTimeout => "REQUEST_TIMEOUT",
    /// A unique thing is there already.
    AlreadyExists => "ALREADY_EXISTS",
    /// Somebody else changed it first.
    Conflict => "CONFLICT",
    /// The session is over.
    SessionEnded => "SESSION_ENDED",
    /// A condition in the request's headers does not hold.
    PreconditionFailed => "PRECONDITION_FAILED",
    /// A body or frame is larger than allowed.
    PayloadTooLarge => "PAYLOAD_TOO_LARGE",
    /// The body is of a kind that is not understood.
    UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
    /// No such part of the content.
    RangeNotSatisfiable => "RANGE_NOT_SATISFIABLE",
    /// A count is at its limit.
    LimitExceeded => "LIMIT_EXCEEDED",
    /// Too often.
    RateLimited => "RATE_LIMITED",
    /// The request's headers are larger than allowed.
    HeadersTooLarge => "HEADERS_TOO_LARGE",
    /// A bug; the log has it under the request id.
    Internal => "INTERNAL",
    /// Not now: repeat later.
    Unavailable => "UNAVAILABLE",
    /// Somebody else presents.
    PresenterActive => "PRESENTER_ACTIVE",
    /// Nobody presents, or not the one who asks.
    NotPresenting => "NOT_PRESENTING",
    /// A member cannot follow itself.
    FollowSelf => "FOLLOW_SELF",
    /// The target follows the sender already.
    FollowCycle => "FOLLOW_CYCLE",
    /// The presenter holds everybody.
    FollowLocked => "FOLLOW_LOCKED",
    /// No such member here.
    MemberNotFound => "MEMBER_NOT_FOUND",
    /// There is nothing to cancel.
    NothingToCancel => "NOTHING_TO_CANCEL",
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where in the request: `device.name`, `ids[3]`.
    pub path: String,
    /// What is wrong with it and what is allowed.
    pub message: String,
}

/// A refusal or failure: a code and a text that anybody may see, and a cause that only the log sees.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Error {
    /// Which of the closed set.
    pub code: ErrorCode,
    /// Safe to show.
    pub detail: Cow<'static, str>,
    /// The fields that are wrong, for [`ErrorCode::InvalidArgument`].
    pub violations: Vec<Violation>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    #[source]
    cause: Option<Cause>,
}

impl Error {
    /// A refusal with a text that is safe to show.
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

    /// `NOT_FOUND`, saying no more than that.
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

    /// `UNAVAILABLE`: what is needed is away for now. The cause goes to the log.
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

    /// With a time to wait before the next try.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The cause, for the log alone.
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
