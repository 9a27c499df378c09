//! Maps domain errors to gRPC status codes. The domain's own code travels beside the status as
//! `google.rpc.ErrorInfo.reason`.

use faceshare_biz::ErrorCode;
use tonic::Code;

/// The status code that generic gRPC clients act on.
#[must_use]
pub const fn status_code(code: ErrorCode) -> Code {
    match code {
        ErrorCode::InvalidArgument | ErrorCode::UnsupportedMediaType | ErrorCode::FollowSelf => {
            Code::InvalidArgument
        }
        ErrorCode::Unauthenticated
        | ErrorCode::TokenExpired
        | ErrorCode::PasswordIncorrect
        | ErrorCode::CodeIncorrect => Code::Unauthenticated,
        ErrorCode::Forbidden
        | ErrorCode::FollowLocked
        | ErrorCode::AccountBanned
        | ErrorCode::RecipientUnavailable
        | ErrorCode::Silenced => Code::PermissionDenied,
        ErrorCode::NotFound | ErrorCode::NumberCodeNotJoinable | ErrorCode::MemberNotFound => {
            Code::NotFound
        }
        ErrorCode::MethodNotAllowed => Code::Unimplemented,
        ErrorCode::RequestTimeout => Code::DeadlineExceeded,
        ErrorCode::AlreadyExists => Code::AlreadyExists,
        ErrorCode::Conflict => Code::Aborted,
        ErrorCode::SessionEnded
        | ErrorCode::PreconditionFailed
        | ErrorCode::PresenterActive
        | ErrorCode::NotPresenting
        | ErrorCode::FollowCycle
        | ErrorCode::NothingToCancel
        | ErrorCode::CallOver
        | ErrorCode::CallActive
        | ErrorCode::TooLate
        | ErrorCode::MessageRecalled
        | ErrorCode::InsufficientBalance => Code::FailedPrecondition,
        ErrorCode::PayloadTooLarge
        | ErrorCode::LimitExceeded
        | ErrorCode::RateLimited
        | ErrorCode::HeadersTooLarge => Code::ResourceExhausted,
        ErrorCode::RangeNotSatisfiable => Code::OutOfRange,
        ErrorCode::Internal => Code::Internal,
        ErrorCode::Unavailable => Code::Unavailable,
    }
}

/// What goes into `google.rpc.ErrorInfo.reason`.
#[must_use]
pub const fn reason(code: ErrorCode) -> &'static str {
    code.as_str()
}

/// What goes into `google.rpc.ErrorInfo.domain`.
pub const DOMAIN: &str = "faceshare";

#[cfg(test)]
mod tests {
    use super::{reason, status_code};
    use faceshare_biz::ErrorCode;
    use tonic::Code;

    #[test]
    fn every_code_is_an_error_with_its_own_reason() {
        for code in ErrorCode::ALL {
            assert!(
                !matches!(status_code(*code), Code::Ok | Code::Unknown),
                "{code}"
            );
            assert_eq!(reason(*code), code.as_str());
        }
    }

    #[test]
    fn only_an_error_that_allows_a_repeat_is_unavailable() {
        let unavailable: Vec<_> = ErrorCode::ALL
            .iter()
            .filter(|c| status_code(**c) == Code::Unavailable)
            .collect();
        assert_eq!(unavailable, [&ErrorCode::Unavailable]);
    }
}
