//! What a client does after a connection ended: the contract's table as one pure function.

use super::{Closed, ProtocolViolation};
use crate::{ApiError, CallError};
use std::time::Duration;

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The server closed it with this code.
    Closed { code: u16, reason: String },
    /// The handshake was answered with an HTTP status.
    Refused(Box<ApiError>),
    /// The connection broke, was silent, or could not be established.
    Broken(String),
    /// The server violated the order or form of frames.
    ProtocolViolation(ProtocolViolation),
    /// The application reported that the network is lost or has changed.
    Network,
    /// The server asked the client to connect to another node.
    Moved,
    /// The application dropped its handles or its events.
    Abandoned,
}

/// The next step.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Connect again and resume.
    Resume {
        why: String,
        at_least: Option<Duration>,
    },
    /// Resume at once.
    ResumeNow { why: String },
    /// Get another token first.
    Renew { why: String },
    /// Do not connect again.
    Stop(Closed),
}

pub(super) const UNAUTHENTICATED: u16 = 4001;
const BAD_REQUEST: u16 = 4000;
const REMOVED: u16 = 4003;
const SESSION_ENDED: u16 = 4010;
const TOO_MANY: u16 = 4029;

pub(super) fn after(ended: Ended) -> Next {
    match ended {
        Ended::Closed { code, reason } => after_close(code, reason),
        Ended::Refused(error) => after_refusal(*error),
        Ended::Broken(why) => Next::Resume {
            why,
            at_least: None,
        },
        Ended::ProtocolViolation(fault) => Next::Resume {
            why: fault.to_string(),
            at_least: None,
        },
        Ended::Network => Next::ResumeNow {
            why: "the network changed".into(),
        },
        Ended::Moved => Next::ResumeNow {
            why: "the server asked to connect elsewhere".into(),
        },
        Ended::Abandoned => Next::Stop(Closed {
            code: 1000,
            reason: "stopped".into(),
            refusal: None,
        }),
    }
}

fn after_close(code: u16, reason: String) -> Next {
    let why = if reason.is_empty() {
        meaning(code).to_owned()
    } else {
        reason
    };
    match code {
        1001 | 1005 | 1006 | 1011 | 1012 | 1013 | 4008 => Next::Resume {
            why,
            at_least: None,
        },
        UNAUTHENTICATED => Next::Renew { why },
        _ => Next::Stop(Closed {
            code,
            reason: why,
            refusal: None,
        }),
    }
}

fn after_refusal(error: ApiError) -> Next {
    match error.status {
        // The session token is invalid, or the session no longer has this point: `POST …/token`
        // says which.
        401 | 404 => Next::Renew { why: error.detail },
        408 | 429 | 500..=599 => Next::Resume {
            why: error.detail.clone(),
            at_least: error.retry_after,
        },
        _ => Next::Stop(stopped_by(error)),
    }
}

/// The next step after `POST …/token` was refused.
pub(super) fn after_token_refusal(error: CallError) -> Next {
    match error {
        CallError::Refused(error) => match error.status {
            408 | 429 | 500..=599 => Next::Resume {
                why: error.detail.clone(),
                at_least: error.retry_after,
            },
            _ => Next::Stop(stopped_by(error)),
        },
        error => Next::Resume {
            why: error.to_string(),
            at_least: None,
        },
    }
}

/// The close code with the same meaning as an HTTP refusal.
pub(super) fn stopped_by(error: ApiError) -> Closed {
    let code = match error.status {
        401 | 404 => UNAUTHENTICATED,
        403 => REMOVED,
        410 => SESSION_ENDED,
        422 | 429 => TOO_MANY,
        _ => BAD_REQUEST,
    };
    Closed {
        code,
        reason: error.detail.clone(),
        refusal: Some(Box::new(error)),
    }
}

const fn meaning(code: u16) -> &'static str {
    match code {
        1000 => "left",
        1001 => "the server is going away",
        1005 | 1006 => "the connection broke",
        1011 => "the server failed",
        1012 => "the server is stopping or restarting",
        1013 => "this client reads too slowly",
        4000 => "the server did not understand this client",
        4001 => "the session token has expired or was revoked",
        4003 => "the host removed you",
        4008 => "nothing was heard from this client for too long",
        4009 => "this device is connected elsewhere",
        4010 => "the session has ended",
        4013 => "a frame was too large",
        4029 => "too many instructions, devices or members",
        _ => "closed",
    }
}

#[cfg(test)]
mod tests {
    use super::{Ended, Next, after, after_token_refusal};
    use crate::{ApiError, CallError};
    use std::time::Duration;

    #[derive(Debug, PartialEq)]
    enum Kind {
        Resume,
        Renew,
        Stop(u16),
    }

    fn kind(next: &Next) -> Kind {
        match next {
            Next::Resume { .. } | Next::ResumeNow { .. } => Kind::Resume,
            Next::Renew { .. } => Kind::Renew,
            Next::Stop(closed) => Kind::Stop(closed.code),
        }
    }

    fn refusal(status: u16) -> ApiError {
        ApiError::from_answer(status, &http::HeaderMap::new(), b"")
    }

    #[test]
    fn every_close_code_has_its_next_step() {
        for code in [1001, 1005, 1006, 1011, 1012, 1013, 4008] {
            assert_eq!(
                kind(&after(Ended::Closed {
                    code,
                    reason: String::new()
                })),
                Kind::Resume,
                "{code}"
            );
        }
        assert_eq!(
            kind(&after(Ended::Closed {
                code: 4001,
                reason: String::new()
            })),
            Kind::Renew
        );
        for code in [
            1000, 1002, 1003, 1008, 1009, 4000, 4003, 4009, 4010, 4013, 4029, 4999,
        ] {
            assert_eq!(
                kind(&after(Ended::Closed {
                    code,
                    reason: String::new()
                })),
                Kind::Stop(code),
                "{code}"
            );
        }
    }

    #[test]
    fn every_refused_handshake_has_its_next_step() {
        for (status, expected) in [
            (401, Kind::Renew),
            (404, Kind::Renew),
            (403, Kind::Stop(4003)),
            (410, Kind::Stop(4010)),
            (422, Kind::Stop(4029)),
            (400, Kind::Stop(4000)),
            (429, Kind::Resume),
            (500, Kind::Resume),
            (503, Kind::Resume),
        ] {
            assert_eq!(
                kind(&after(Ended::Refused(Box::new(refusal(status))))),
                expected,
                "{status}"
            );
        }
    }

    #[test]
    fn every_answer_of_the_token_call_has_its_next_step() {
        for (status, expected) in [
            (401, Kind::Stop(4001)),
            (403, Kind::Stop(4003)),
            (404, Kind::Stop(4001)),
            (410, Kind::Stop(4010)),
            (429, Kind::Resume),
            (503, Kind::Resume),
        ] {
            assert_eq!(
                kind(&after_token_refusal(CallError::Refused(refusal(status)))),
                expected,
                "{status}"
            );
        }
    }

    #[test]
    fn the_delay_that_a_server_asks_for_is_kept() {
        let error = ApiError {
            retry_after: Some(Duration::from_secs(4)),
            ..refusal(503)
        };
        let Next::Resume { at_least, .. } = after(Ended::Refused(Box::new(error))) else {
            panic!("resumes")
        };
        assert_eq!(at_least, Some(Duration::from_secs(4)));
    }
}
