//! Short texts: number codes, times left, positions, failures.

use entrance_client::api::JoinRefusal;
use entrance_client::{CallError, Closed};
use faceshare_api::v1::{View, follow_me, member, sess_end};
use faceshare_api::wellknown::Timestamp;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Digits in groups of three and four: `482 913`, `482 9135`, `4829 1357`.
pub(crate) fn grouped(code: &str) -> String {
    let digits: Vec<char> = code.chars().collect();
    let fours = digits.len() % 3;
    let mut groups = Vec::new();
    let mut rest = digits.as_slice();
    while !rest.is_empty() {
        let left_for_fours = fours * 4;
        let size = if rest.len() <= left_for_fours { 4 } else { 3 };
        let (group, tail) = rest.split_at(size.min(rest.len()));
        groups.push(group.iter().collect::<String>());
        rest = tail;
    }
    groups.join(" ")
}

/// The clock of this machine, in milliseconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the only place that reads the clock; drawing takes the time as an argument"
)]
pub(crate) fn now_millis() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// `9:41`, `23:59 h`, or `over`.
pub(crate) fn time_left(until: Timestamp, now_millis: i64) -> String {
    match until.as_millis() - now_millis {
        left if left >= 3_600_000 => format!("{}:{:02} h", left / 3_600_000, left / 60_000 % 60),
        left if left > 0 => format!("{}:{:02}", left / 60_000, left / 1000 % 60),
        _ => "over".into(),
    }
}

/// `page 3, 25% down, 1.5×`.
pub(crate) fn position(view: &View) -> String {
    let page = if view.page == 0 {
        "the document".to_owned()
    } else {
        format!("page {}", view.page)
    };
    let down = if view.y > 0.0 {
        format!(", {:.0}% down", view.y * 100.0)
    } else {
        String::new()
    };
    let zoom = if view.zoom > 0.0 && (view.zoom - 1.0).abs() > 1e-9 {
        format!(", {:.2}×", view.zoom)
    } else {
        String::new()
    };
    format!("{page}{down}{zoom}")
}

/// `round trip 12 ms`.
pub(crate) fn round_trip(time: Duration) -> String {
    if time < Duration::from_millis(1) {
        format!("round trip {} µs", time.as_micros())
    } else {
        format!("round trip {} ms", time.as_millis())
    }
}

pub(crate) const fn role(role: i32) -> &'static str {
    match role {
        r if r == member::Role::Host as i32 => "host",
        r if r == member::Role::Guest as i32 => "guest",
        _ => "member",
    }
}

pub(crate) const fn invite(invite: i32) -> &'static str {
    match invite {
        i if i == follow_me::Invite::On as i32 => "everybody follows",
        i if i == follow_me::Invite::Off as i32 => "no one is asked",
        _ => "everybody is asked",
    }
}

pub(crate) const fn end_reason(reason: i32) -> &'static str {
    match reason {
        r if r == sess_end::Reason::HostEnded as i32 => "the host ended it",
        r if r == sess_end::Reason::AutoEnd as i32 => "the countdown ran out",
        _ => "the platform ended it",
    }
}

/// Why a person who knocked is not admitted.
pub(crate) const fn refusal(refusal: JoinRefusal) -> &'static str {
    match refusal {
        JoinRefusal::Denied => "the host did not let you in (DENIED)",
        JoinRefusal::Expired => "the host did not answer in time; knock again (EXPIRED)",
        JoinRefusal::Ended => "the session has ended (ENDED)",
    }
}

/// Why the connection has ended, for the user.
pub(crate) fn closed(closed: &Closed) -> String {
    let reason = &closed.reason;
    match closed.code {
        1000 => "You left.".into(),
        4001 => format!("Your token is no longer accepted: {reason} (4001)"),
        4003 => format!("The host removed you. ({reason}, 4003)"),
        4009 => "It is open elsewhere now. (4009)".into(),
        4010 => "The session has ended. (4010)".into(),
        code => format!("The connection is closed: {reason} ({code})"),
    }
}

/// Whether the user left or the session ended, which is a success.
pub(crate) const fn closed_well(closed: &Closed) -> bool {
    matches!(closed.code, 1000 | 4010)
}

/// The failure as one line with its code.
pub(crate) fn failure(error: &anyhow::Error) -> String {
    match error.downcast_ref::<CallError>() {
        Some(error) => call_failure(error),
        None => format!("{error:#}"),
    }
}

pub(crate) fn call_failure(error: &CallError) -> String {
    match error {
        CallError::Refused(refusal) => {
            let advice = match refusal.code.as_str() {
                "NUMBER_CODE_NOT_JOINABLE" => {
                    "that code or invite is wrong, expired or full".to_owned()
                }
                "RATE_LIMITED" | "UNAVAILABLE" => match refusal.retry_after {
                    Some(wait) => format!("{}; try again in {} s", refusal.detail, wait.as_secs()),
                    None => format!("{}; try again in a moment", refusal.detail),
                },
                _ => refusal.detail.clone(),
            };
            let fields: Vec<String> = refusal
                .errors
                .iter()
                .map(|field| format!("{}: {}", field.path, field.message))
                .collect();
            let fields = if fields.is_empty() {
                String::new()
            } else {
                format!(" [{}]", fields.join("; "))
            };
            format!("{advice}{fields} ({})", refusal.code)
        }
        CallError::Unreachable(cause) => {
            let address = cause.url().map_or_else(
                || "its address".to_owned(),
                |url| url.origin().ascii_serialization(),
            );
            let (root, hint) = (
                root_cause(cause),
                "is that the right address? (--server or FACESHARE_SERVER)",
            );
            match cause {
                cause if cause.is_timeout() => {
                    format!("the server at {address} does not answer in time")
                }
                cause if cause.is_connect() => {
                    format!("cannot reach the server at {address}: {root}; {hint}")
                }
                _ => format!("the connection to the server at {address} broke: {root}"),
            }
        }
        other => other.to_string(),
    }
}

/// The innermost cause, which says what happened. The outer ones repeat the URL.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::{call_failure, grouped, position, round_trip, time_left};
    use entrance_client::{Api, ApiError, CallError};
    use faceshare_api::v1::View;
    use faceshare_api::wellknown::Timestamp;
    use std::time::Duration;

    #[test]
    fn codes_are_grouped_for_reading_aloud() {
        for (code, read) in [
            ("482913", "482 913"),
            ("4829135", "482 9135"),
            ("48291357", "4829 1357"),
            ("482913570", "482 913 570"),
            ("4829135701", "482 913 5701"),
            ("48291357012", "482 9135 7012"),
            ("482913570123", "482 913 570 123"),
            ("", ""),
        ] {
            assert_eq!(grouped(code), read);
        }
    }

    #[test]
    fn times_and_positions_are_formatted() {
        assert_eq!(time_left(Timestamp::from_millis(605_000), 0), "10:05");
        assert_eq!(time_left(Timestamp::from_millis(7_260_000), 0), "2:01 h");
        assert_eq!(time_left(Timestamp::from_millis(5), 10), "over");
        assert_eq!(
            position(&View {
                page: 3,
                y: 0.25,
                zoom: 1.5,
                ..View::default()
            }),
            "page 3, 25% down, 1.50×"
        );
        assert_eq!(position(&View::default()), "the document");
    }

    #[test]
    fn a_round_trip_is_formatted() {
        assert_eq!(round_trip(Duration::from_micros(74)), "round trip 74 µs");
        assert_eq!(
            round_trip(Duration::from_micros(12_900)),
            "round trip 12 ms"
        );
    }

    #[tokio::test]
    async fn a_server_that_cannot_be_reached_is_named_with_the_reason() {
        // A port that was free a moment ago: nothing listens on it.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a port")
            .port();
        let server = format!("http://127.0.0.1:{port}");
        let failed = Api::new(&server)
            .expect("an address")
            .sign_up_guest("Ann")
            .await
            .expect_err("no server listens");
        let line = call_failure(&failed);
        assert!(
            line.contains(&format!("{server}: Connection refused")) && line.contains("--server"),
            "{line}"
        );
        assert!(!line.contains('\n') && !line.contains("/v1/"), "{line}");
    }

    #[test]
    fn a_refusal_is_one_line_with_its_code() {
        let refusal = |code: &str| ApiError {
            status: 404,
            code: code.into(),
            detail: "no such thing".into(),
            request_id: None,
            retry_after: None,
            errors: Vec::new(),
        };
        assert_eq!(
            call_failure(&CallError::Refused(refusal("NOT_FOUND"))),
            "no such thing (NOT_FOUND)"
        );
        let line = call_failure(&CallError::Refused(refusal("NUMBER_CODE_NOT_JOINABLE")));
        assert_eq!(
            line,
            "that code or invite is wrong, expired or full (NUMBER_CODE_NOT_JOINABLE)"
        );
    }
}
