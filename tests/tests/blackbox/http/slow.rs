//! Slow clients and endless headers.

use std::time::Duration;

use faceshare_tests::DEADLINE;
use faceshare_tests::http::send;
use faceshare_tests::server::Server;
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Pause between two bytes of a slow client. Many bytes come within each limit here.
const PACE: Duration = Duration::from_millis(20);

/// Sends `first` and then one `x` after another. Returns the answer until the server closes the
/// connection.
async fn trickle(server: &Server, first: &str) -> String {
    let address = server.url().replace("http://", "");
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(first.as_bytes()).await.expect("sent");
    let (mut read, mut write) = stream.split();
    let trickle = async {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while write.write_all(b"x").await.is_ok() {
            pace.tick().await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    // A reset counts as closed.
    let end = async { read.read_to_end(&mut answer).await.map_or((), |_| ()) };
    tokio::select! {
        () = trickle => {}
        ended = timeout(DEADLINE, end) => ended.expect("the server ends it"),
    }
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn a_body_that_comes_a_byte_at_a_time_is_ended_in_time() {
    let server = Server::start_with(&[("limits.request_timeout", "300ms")]).await;
    let json = "content-type: application/json\r\nhost: localhost\r\n";
    for (path, length) in [
        ("/v1/guests", "content-length: 60000\r\n\r\n\""),
        ("/v1/accounts/sign-in", "content-length: 60000\r\n\r\n\""),
        ("/v1/guests", "transfer-encoding: chunked\r\n\r\nffff\r\n\""),
    ] {
        let answer = trickle(&server, &format!("POST {path} HTTP/1.1\r\n{json}{length}")).await;
        assert!(
            answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"REQUEST_TIMEOUT\""),
            "{path}: {answer}"
        );
    }
    let unread = trickle(
        &server,
        &format!("POST /v1/nowhere HTTP/1.1\r\n{json}content-length: 60000\r\n\r\n\""),
    )
    .await;
    assert!(unread.starts_with("HTTP/1.1 404 "), "{unread}");
}

#[tokio::test]
async fn headers_that_come_a_byte_at_a_time_are_ended_in_time() {
    let server = Server::start_with(&[("limits.header_timeout", "300ms")]).await;
    for first in ["G", "GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-slow: "] {
        let answer = trickle(&server, first).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
    }
    // A completed request does not extend the time for the next one.
    let answer = trickle(
        &server,
        "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\nx-slow: ",
    )
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && !answer[9..].contains("HTTP/1.1 200 "),
        "{answer}"
    );
}

#[tokio::test]
async fn headers_have_an_end() {
    let server = Server::start_with(&[("limits.header_bytes", "8192")]).await;
    let http = server.http();
    let with_header = |length: usize| {
        send(
            http.request(Method::GET, "/healthz")
                .header("x-long", "y".repeat(length)),
        )
    };
    with_header(7_000).await.ok(200);
    with_header(9_000).await.problem(431, "HEADERS_TOO_LARGE");
    let query = format!("/healthz?{}", "y".repeat(9_000));
    http.call(Method::GET, &query, None, None)
        .await
        .problem(431, "HEADERS_TOO_LARGE");
    let endless = trickle(
        &server,
        &format!(
            "GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-long: {}",
            "y".repeat(40_000)
        ),
    )
    .await;
    assert!(endless.starts_with("HTTP/1.1 431 "), "{endless}");
    let many = "x: y\r\n".repeat(1_000);
    let many = trickle(
        &server,
        &format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{many}\r\n"),
    )
    .await;
    assert!(many.starts_with("HTTP/1.1 431 "), "{many}");
}
