//! A minimal HTTP/1.1 client for the generator: requests as text, answers with a known length, a
//! small pool of kept connections.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::collections::VecDeque;
use std::fmt::Write as _;

/// The example of RFC 6455. The accept key is not checked: without an upgrade the next bytes would
/// not be frames.
const WEBSOCKET_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The purpose of a call, which says how to process its answer; with the member's index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Create a guest account.
    Guest(usize),
    /// Create a session.
    Create(usize),
    /// Join with the number code.
    Prejoin(usize),
}

/// One call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) purpose: Purpose,
    pub(super) request: Vec<u8>,
}

/// An answer.
#[derive(Debug, PartialEq)]
pub(super) struct HttpAnswer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl HttpAnswer {
    /// The text at this JSON pointer.
    ///
    /// # Errors
    /// When there is none, because the server refused the call.
    pub(super) fn text(&self, pointer: &str) -> Result<String> {
        match self.body.pointer(pointer).and_then(Value::as_str) {
            Some(text) if (200..300).contains(&self.status) => Ok(text.to_owned()),
            _ => bail!(
                "the server refused a call of the set-up ({}): {}",
                self.status,
                self.body
            ),
        }
    }
}

/// Queued calls, and the connections that make them.
#[derive(Debug, Default)]
pub(super) struct Pool {
    pub(super) waiting: VecDeque<Call>,
    /// For each slot its connection and the call that waits for an answer.
    pub(super) slots: Vec<(Option<usize>, Option<Call>)>,
}

pub(super) fn post(host: &str, path: &str, bearer: Option<&str>, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    if let Some(token) = bearer {
        let _ = write!(request, "Authorization: Bearer {token}\r\n");
    }
    request.push_str("\r\n");
    request.push_str(&body);
    request.into_bytes()
}

pub(super) fn upgrade(host: &str, path: &str, session_token: Option<&str>) -> Vec<u8> {
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {WEBSOCKET_KEY}\r\n"
    );
    if let Some(token) = session_token {
        let _ = write!(
            request,
            "Sec-WebSocket-Protocol: {}\r\nAuthorization: Bearer {token}\r\n",
            faceshare_api::SUBPROTOCOL_PROTO
        );
    }
    request.push_str("\r\n");
    request.into_bytes()
}

/// The first answer in `bytes` and its length; `None` if it is incomplete. After status 101 only
/// the head counts.
///
/// # Errors
/// When the bytes are not HTTP.
pub(super) fn answer(bytes: &[u8]) -> Result<Option<(HttpAnswer, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = parsed
        .parse(bytes)
        .context("the server does not speak HTTP")?
    else {
        return Ok(None);
    };
    let status = parsed.code.unwrap_or_default();
    if status == 101 {
        return Ok(Some((
            HttpAnswer {
                status,
                body: Value::Null,
            },
            head,
        )));
    }
    let length = parsed
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = match length {
        Some(length) => std::str::from_utf8(length.value)?.trim().parse::<usize>()?,
        None if status == 204 => 0,
        None => bail!("an answer without a length ({status})"),
    };
    let Some(body) = bytes.get(head..).and_then(|after| after.get(..length)) else {
        return Ok(None);
    };
    let body = serde_json::from_slice(body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()));
    Ok(Some((HttpAnswer { status, body }, head + length)))
}

#[cfg(test)]
mod tests {
    use super::{answer, post};
    use serde_json::json;

    #[test]
    fn an_answer_is_read_when_it_is_complete() {
        let bytes = b"HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\n{\"a\": \"b\"}HTTP";
        let (read, length) = answer(bytes).expect("is HTTP").expect("is complete");
        assert_eq!((read.status, length), (201, bytes.len() - 4));
        assert_eq!(read.text("/a").expect("is there"), "b");
        assert!(read.text("/c").is_err());
        assert_eq!(answer(&bytes[..50]).expect("is HTTP"), None);
        assert_eq!(answer(&bytes[..10]).expect("is HTTP"), None);
        assert!(answer(b"\x00\x01").is_err());
    }

    #[test]
    fn an_upgrade_ends_with_its_head() {
        let bytes = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x82\x01a";
        let (read, length) = answer(bytes).expect("is HTTP").expect("is complete");
        assert_eq!((read.status, length), (101, bytes.len() - 3));
    }

    #[test]
    fn a_request_has_its_content_length() {
        let text =
            String::from_utf8(post("h:1", "/p", Some("t"), &json!({"a": 1}))).expect("is text");
        assert!(
            text.starts_with("POST /p HTTP/1.1\r\nHost: h:1\r\n")
                && text.ends_with("\r\n\r\n{\"a\":1}")
        );
        assert!(
            text.contains("Content-Length: 7\r\n") && text.contains("Authorization: Bearer t\r\n")
        );
    }
}
