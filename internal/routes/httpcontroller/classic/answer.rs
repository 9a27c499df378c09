//! Responses of the classic API: always status 200, with an error code in the body.

use crate::e::http::whole_seconds;
use crate::json::Json;
use axum::response::{IntoResponse, Response};
use faceshare_biz::{Error, ErrorCode};
use http::HeaderValue;
use http::header::RETRY_AFTER;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// `Retry-After` of failures that bring no time of their own.
const SOON: Duration = Duration::from_secs(1);

/// The body of every response.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassicAnswer<T> {
    /// `"7"` for success.
    #[schema(value_type = String, example = "7", pattern = "^[0-7]$")]
    err_code: &'static str,
    /// The name of the code.
    #[schema(value_type = String, example = "success")]
    err_msg: &'static str,
    /// The result; `""` when there is none, and after a failure.
    data: T,
}

/// `""`.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(value_type = String, max_length = 0)]
pub struct Nothing(&'static str);

impl Nothing {
    pub(super) const fn new() -> Self {
        Self("")
    }
}

/// The result, or `""` after a failure.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum IfAny<T> {
    /// The result.
    Some(T),
    /// There is no result.
    None(Nothing),
}

/// The result of a handler.
pub type ClassicResult<T> = Result<Success<T>, ClassicError>;

/// A successful response.
pub struct Success<T>(pub(super) T);

/// The failures of the classic API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassicError {
    /// A fault of the server.
    Server,
    /// Too many wrong passwords or too much load: the client may try again after this time.
    Later(Duration),
    /// The store is unavailable.
    DataBase,
    /// Not signed in, or a request from another site.
    InvalidSession,
    /// The username is taken.
    UserExisted,
    /// There is no account of this username, and `classic.reveal_unknown_user` allows saying so.
    UserNotExist,
    /// Wrong username or password.
    Password,
    /// The request is not valid.
    InvalidParams,
}

impl ClassicError {
    /// The code and its name.
    #[must_use]
    pub const fn code(self) -> (&'static str, &'static str) {
        match self {
            Self::Server | Self::Later(_) => ("0", "ServerError"),
            Self::DataBase => ("1", "DataBaseError"),
            Self::InvalidSession => ("2", "InvalidSessionError"),
            Self::UserExisted => ("3", "UserExistedError"),
            Self::UserNotExist => ("4", "UserNotExistError"),
            Self::Password => ("5", "PasswordError"),
            Self::InvalidParams => ("6", "InvalidParamsError"),
        }
    }
}

impl From<Error> for ClassicError {
    fn from(error: Error) -> Self {
        match error.code {
            ErrorCode::AlreadyExists => Self::UserExisted,
            ErrorCode::Unauthenticated | ErrorCode::TokenExpired | ErrorCode::Forbidden => {
                Self::InvalidSession
            }
            ErrorCode::PasswordIncorrect => Self::Password,
            ErrorCode::InvalidArgument
            | ErrorCode::PayloadTooLarge
            | ErrorCode::UnsupportedMediaType => Self::InvalidParams,
            ErrorCode::RequestTimeout => Self::InvalidParams,
            ErrorCode::RateLimited => Self::Later(error.retry_after.unwrap_or(SOON)),
            // An unavailable store leaves a cause; a full queue does not.
            ErrorCode::Unavailable if error.cause().is_some() => {
                tracing::warn!(%error, cause = ?error.cause(), "the store is unavailable");
                Self::DataBase
            }
            ErrorCode::Unavailable => Self::Later(error.retry_after.unwrap_or(SOON)),
            _ => {
                tracing::error!(%error, cause = ?error.cause(), "a classic call failed");
                Self::Server
            }
        }
    }
}

impl<T: Serialize> IntoResponse for Success<T> {
    fn into_response(self) -> Response {
        Json(ClassicAnswer {
            err_code: "7",
            err_msg: "success",
            data: self.0,
        })
        .into_response()
    }
}

impl IntoResponse for ClassicError {
    fn into_response(self) -> Response {
        let (err_code, err_msg) = self.code();
        let answer = Json(ClassicAnswer {
            err_code,
            err_msg,
            data: Nothing::new(),
        });
        let wait = match self {
            Self::Server | Self::DataBase => SOON,
            Self::Later(wait) => wait,
            _ => return answer.into_response(),
        };
        (
            [(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)))],
            answer,
        )
            .into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::ClassicError;
    use faceshare_biz::{Error, ErrorCode};

    #[test]
    fn every_domain_error_has_its_code() {
        for (code, expected) in [
            (ErrorCode::AlreadyExists, "3"),
            (ErrorCode::Unauthenticated, "2"),
            (ErrorCode::TokenExpired, "2"),
            (ErrorCode::PasswordIncorrect, "5"),
            (ErrorCode::InvalidArgument, "6"),
            (ErrorCode::PayloadTooLarge, "6"),
            (ErrorCode::UnsupportedMediaType, "6"),
            (ErrorCode::Unavailable, "0"),
            (ErrorCode::RateLimited, "0"),
            (ErrorCode::RequestTimeout, "6"),
            (ErrorCode::Internal, "0"),
        ] {
            assert_eq!(
                ClassicError::from(Error::new(code, "")).code().0,
                expected,
                "{code}"
            );
        }
        assert_eq!(
            ClassicError::from(Error::unavailable("the disk is full")).code(),
            ("1", "DataBaseError")
        );
    }
}
