//! Invalid requests, and requests with too large heads, are answered like every other error.

use faceshare_tests::DEADLINE;
use faceshare_tests::server::Server;
use serde_json::Value;
use std::collections::HashMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Everything that the server sends until it closes the connection.
async fn answers(server: &Server, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.url().replace("http://", ""))
        .await
        .expect("it listens");
    // The server may refuse the request before all of it was sent.
    let _ = stream.write_all(sent).await;
    let mut answer = Vec::new();
    // A reset counts as closed.
    let _ = timeout(DEADLINE, stream.read_to_end(&mut answer))
        .await
        .expect("the server ends it");
    String::from_utf8(answer).expect("text")
}

/// Checks that the answer is a problem document with the common headers, and the last one.
fn assert_documented(answer: &str, status: u16, code: &str) {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no end of the headers: {answer:?}"));
    let (line, fields) = head.split_once("\r\n").expect("headers");
    assert!(line.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    let fields: HashMap<_, _> = fields
        .split("\r\n")
        .filter_map(|field| field.split_once(": "))
        .collect();
    assert_eq!(
        fields.len(),
        head.split("\r\n").count() - 1,
        "each once: {answer}"
    );
    assert_eq!(
        (fields["content-type"], fields["connection"]),
        ("application/problem+json", "close"),
        "{answer}"
    );
    assert_eq!(fields["content-length"].parse(), Ok(body.len()), "{answer}");
    for name in [
        "date",
        "content-security-policy",
        "x-content-type-options",
        "cache-control",
    ] {
        assert!(fields.contains_key(name), "{name} in {answer}");
    }
    let problem: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(
        (&problem["status"], &problem["code"]),
        (&status.into(), &code.into()),
        "{answer}"
    );
    assert_eq!(problem["requestId"], fields["x-request-id"], "{answer}");
}

#[tokio::test]
async fn an_invalid_request_is_answered_with_a_problem_document() {
    let server = Server::start().await;
    for nonsense in [
        &b"nonsense\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\x01 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nbad name: x\r\n\r\n",
        b"POST /v1/guests HTTP/1.1\r\nhost: localhost\r\ncontent-length: many\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ] {
        assert_documented(&answers(&server, nonsense).await, 400, "INVALID_ARGUMENT");
    }
}

#[tokio::test]
async fn too_long_a_path_and_too_many_headers_are_answered_with_a_problem_document() {
    let server = Server::start().await;
    let long = |bytes: usize| {
        format!(
            "GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n",
            "x".repeat(bytes)
        )
    };
    let many = |count: usize| {
        format!(
            "GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n",
            "x: y\r\n".repeat(count)
        )
    };
    for sent in [long(70_000), long(200_000), many(100), many(1_000)] {
        assert_documented(
            &answers(&server, sent.as_bytes()).await,
            431,
            "HEADERS_TOO_LARGE",
        );
    }
}

#[tokio::test]
async fn requests_before_an_invalid_one_are_answered() {
    let server = Server::start().await;
    let answer = answers(
        &server,
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\nnonsense\r\n\r\n",
    )
    .await;
    let second = answer
        .rfind("HTTP/1.1 ")
        .filter(|at| *at > 0)
        .unwrap_or_else(|| panic!("two answers: {answer}"));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_documented(&answer[second..], 400, "INVALID_ARGUMENT");
    let line = server.log().line(|line| line["status"] == 400).await;
    assert_eq!(line["message"], "request refused", "{line}");
}
