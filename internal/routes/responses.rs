//! Response sets of the OpenAPI document: the problems that a group of calls may answer with.

use crate::e::http::PROBLEM_JSON;
use std::collections::BTreeMap;
use utoipa::IntoResponses;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

/// A response that holds a problem document.
pub(crate) fn problem(description: &str) -> RefOr<Response> {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    ResponseBuilder::new()
        .description(description)
        .content(PROBLEM_JSON, content)
        .build()
        .into()
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident { $($status:literal: $text:literal,)* })*) => {$(
        $(#[$doc])*
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                [$(($status.to_owned(), problem($text)),)* ("default".to_owned(), problem("Any other problem"))].into()
            }
        }
    )*};
}

problems! {
    /// Problems of calls that read a JSON body.
    BodyProblems {
        "400": "`INVALID_ARGUMENT`: `errors` names each field that is wrong",
        "408": "`REQUEST_TIMEOUT`",
        "413": "`PAYLOAD_TOO_LARGE`",
        "415": "`UNSUPPORTED_MEDIA_TYPE`: the body must be JSON",
    }
    /// Problems of calls with values in the path or query.
    QueryProblems {
        "400": "`INVALID_ARGUMENT`: `errors` names each parameter that is wrong",
    }
    /// Problems of calls that need a token.
    AuthProblems {
        "401": "`UNAUTHENTICATED`: sign in. `TOKEN_EXPIRED`: refresh",
    }
    /// Problems of calls that need a password.
    PasswordProblems {
        "401": "`PASSWORD_INCORRECT`: the name or the password is wrong. With a token: `UNAUTHENTICATED`, `TOKEN_EXPIRED`",
    }
    /// Problems of calls that take a picture.
    UploadProblems {
        "400": "`INVALID_ARGUMENT`: it cannot be decoded, or has too many pixels",
        "408": "`REQUEST_TIMEOUT`",
        "413": "`PAYLOAD_TOO_LARGE`",
        "415": "`UNSUPPORTED_MEDIA_TYPE`: the file must be a PNG, JPEG or WebP",
    }
    /// Problems of calls that guests may not make.
    GuestProblems {
        "403": "`FORBIDDEN`: not for guests",
    }
    /// Problems of calls that create something unique, such as a username.
    AlreadyExistsProblems {
        "409": "`ALREADY_EXISTS`",
    }
    /// Problems of calls whose work waits in a queue.
    QueueProblems {
        "503": "`UNAVAILABLE`: the queue is full, see `Retry-After`",
    }
    /// Problems of calls on one session.
    SessionProblems {
        "404": "`NOT_FOUND`: there is no such thing, or the caller is no member of the session",
    }
    /// Problems of calls that change a session.
    EndedProblems {
        "410": "`SESSION_ENDED`: the session is over and cannot be changed",
    }
    /// Problems of calls that may come too late.
    ConflictProblems {
        "409": "`CONFLICT`: already decided",
    }
    /// Problems of calls that not every member may make.
    HostProblems {
        "403": "`FORBIDDEN`: the caller may see it, but not do this",
    }
    /// Problems of calls that use a number code or an invite.
    CodeProblems {
        "404": "`NUMBER_CODE_NOT_JOINABLE`: wrong, expired, full, locked or over, all answered alike",
        "429": "`RATE_LIMITED`: see `Retry-After`",
    }
    /// Problems of calls that count against a limit.
    LimitProblems {
        "422": "`LIMIT_EXCEEDED`",
    }
    /// Problems of a server that is not ready.
    ReadinessProblems {
        "503": "`UNAVAILABLE`: draining, or a dependency is unavailable",
    }
    /// Problems of resources that not every caller may see.
    HiddenProblems {
        "404": "`NOT_FOUND`: not here, or not for you",
    }
}
