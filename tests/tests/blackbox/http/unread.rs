//! Requests that are answered before their body was read: the connection goes on with the next
//! request, or the answer says that it ends.

use std::time::Duration;

use faceshare_tests::DEADLINE;
use faceshare_tests::http::send;
use faceshare_tests::server::Server;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Pause between a head and its body, of a client that sends them separately.
const PAUSE: Duration = Duration::from_millis(10);

struct Connection(TcpStream);

/// The parts of a response that these tests check.
#[derive(Debug)]
struct RawResponse {
    status: u16,
    closes: bool,
    body: String,
}

impl Connection {
    async fn open(server: &Server) -> Self {
        Self(
            TcpStream::connect(server.url().replace("http://", ""))
                .await
                .expect("it listens"),
        )
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.expect("sent");
    }

    async fn answer(&mut self) -> RawResponse {
        timeout(DEADLINE, self.read())
            .await
            .expect("an answer in time")
    }

    async fn read(&mut self) -> RawResponse {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap_or_else(|error| {
                panic!("{error} after {:?}", String::from_utf8_lossy(&head))
            }));
        }
        let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
        let field = |name: &str| {
            head.split("\r\n")
                .find_map(|line| line.strip_prefix(name))
                .map(str::to_owned)
        };
        let mut body = vec![
            0;
            field("content-length: ")
                .map_or(0, |length| length.parse().expect("a number"))
        ];
        self.0.read_exact(&mut body).await.expect("a body");
        RawResponse {
            status: head
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok())
                .expect("a status"),
            closes: field("connection: ").is_some_and(|value| value.contains("close")),
            body: String::from_utf8(body).expect("text"),
        }
    }

    /// Checks that the next request on the connection is answered.
    async fn goes_on(&mut self, after: &str) {
        self.send("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await;
        let answer = self.answer().await;
        assert_eq!(
            (answer.status, answer.closes),
            (200, false),
            "after {after}: {answer:?}"
        );
    }

    async fn ends(mut self) {
        let mut rest = Vec::new();
        // A reset counts as closed.
        let _ = timeout(DEADLINE, self.0.read_to_end(&mut rest))
            .await
            .expect("the server ends it");
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

/// A server that allows an address one guest a minute, with that guest already created.
async fn server() -> Server {
    let settings = [
        ("limits.discard_timeout", "300ms"),
        ("limits.discard_bytes", "131072"),
        ("limits.guests_per_address", "1"),
    ];
    let server = Server::start_with(&settings).await;
    server.http().guest("Ann").await;
    server
}

/// Requests that are refused before their body is read, each without the end of its headers, and
/// its status.
fn refused() -> [(&'static str, u16); 7] {
    [
        (
            "POST /v1/face-sessions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nauthorization: Bearer v4.local.AAAA",
            401,
        ),
        (
            "POST /v1/face-sessions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer x\r\nidempotency-key: k",
            401,
        ),
        ("POST /v1/nowhere HTTP/1.1\r\nhost: localhost", 404),
        ("POST /v1/accounts/me HTTP/1.1\r\nhost: localhost", 405),
        (
            "POST /v1/accounts/sign-in HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain",
            415,
        ),
        (
            "POST /v1/accounts/sign-in HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-encoding: gzip",
            415,
        ),
        (
            "POST /v1/guests HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json",
            429,
        ),
    ]
}

#[tokio::test]
async fn a_body_that_comes_after_its_head_does_not_cost_the_connection() {
    let server = server().await;
    let mut connection = Connection::open(&server).await;
    let whole = "{\"title\": \"abcdefghijkl\"}";
    let chunked = format!("{:x}\r\n{whole}\r\n0\r\n\r\n", whole.len());
    for (head, status) in refused() {
        for (framing, body) in [
            (format!("content-length: {}", whole.len()), whole),
            ("transfer-encoding: chunked".to_owned(), &chunked),
        ] {
            connection
                .send(&format!("{head}\r\n{framing}\r\n\r\n"))
                .await;
            sleep(PAUSE).await;
            connection.send(body).await;
            let answer = connection.answer().await;
            assert_eq!(
                (answer.status, answer.closes),
                (status, false),
                "{head}: {answer:?}"
            );
            connection.goes_on(head).await;
        }
    }
    let large = "x".repeat(100_000);
    let head =
        "POST /v1/accounts/sign-in HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json";
    connection
        .send(&format!(
            "{head}\r\ncontent-length: {}\r\n\r\n",
            large.len()
        ))
        .await;
    sleep(PAUSE).await;
    connection.send(&large).await;
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.closes), (413, false), "{answer:?}");
    connection.goes_on("413").await;
}

#[tokio::test]
async fn a_body_that_never_comes_ends_the_connection_and_the_answer_says_so() {
    let server = server().await;
    for (head, status) in refused() {
        let mut connection = Connection::open(&server).await;
        connection
            .send(&format!("{head}\r\ncontent-length: 24\r\n\r\n"))
            .await;
        let answer = connection.answer().await;
        assert_eq!(
            (answer.status, answer.closes),
            (status, true),
            "{head}: {answer:?}"
        );
        assert!(answer.body.contains("\"code\""), "{answer:?}");
        connection.ends().await;
    }
}

#[tokio::test]
async fn a_body_without_end_is_not_read_for_ever() {
    let server = server().await;
    for (head, status) in refused() {
        let mut connection = Connection::open(&server).await;
        connection
            .send(&format!("{head}\r\ntransfer-encoding: chunked\r\n\r\n"))
            .await;
        let (mut read, mut write) = connection.0.into_split();
        let flood = tokio::spawn(async move {
            let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
            while write.write_all(chunk.as_bytes()).await.is_ok() {}
        });
        let mut start = vec![0; 2_000];
        let bytes = timeout(DEADLINE, read.read(&mut start))
            .await
            .expect("in time")
            .expect("an answer");
        let answer = String::from_utf8_lossy(&start[..bytes]).to_ascii_lowercase();
        assert!(
            answer.starts_with(&format!("http/1.1 {status} "))
                && answer.contains("\r\nconnection: close\r\n"),
            "{head}: {answer}"
        );
        timeout(DEADLINE, flood)
            .await
            .expect("the server ends it")
            .expect("joined");
    }
}

#[tokio::test]
async fn a_refusal_comes_in_the_place_of_100_continue() {
    let server = server().await;
    let too_large = (
        "POST /v1/accounts/sign-in HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json",
        413,
    );
    for (head, status) in refused().into_iter().chain([too_large]) {
        let mut connection = Connection::open(&server).await;
        connection
            .send(&format!(
                "{head}\r\nexpect: 100-continue\r\ncontent-length: 100000\r\n\r\n"
            ))
            .await;
        let answer = connection.answer().await;
        assert_eq!(
            (answer.status, answer.closes),
            (status, true),
            "{head}: {answer:?}"
        );
        connection.ends().await;
    }
}

#[tokio::test]
async fn a_classic_form_that_is_too_large_is_refused_in_the_place_of_100_continue() {
    let settings = [("classic.enabled", "true"), ("limits.avatar_bytes", "1024")];
    let server = Server::start_with(&settings).await;
    let http = server.http();
    let call = |name: &str| http.request(Method::POST, &format!("/api/entrytask/user/{name}"));
    let credentials = json!({"username": "ann_1", "password": "secret"});
    send(call("signup").json(&credentials)).await.ok(200);
    let signed_in = send(call("signin").json(&credentials)).await;
    let (cookie, _) = signed_in
        .header("set-cookie")
        .split_once(';')
        .expect("attributes");
    let form = "content-type: application/x-www-form-urlencoded";
    let upload = format!("content-type: multipart/form-data; boundary=cut\r\ncookie: {cookie}");
    for (name, kind) in [
        ("signin", form),
        ("signup", form),
        ("update_profile_pic", upload.as_str()),
    ] {
        let head = format!(
            "POST /api/entrytask/user/{name} HTTP/1.1\r\nhost: localhost\r\n{kind}\r\nexpect: 100-continue"
        );
        let mut connection = Connection::open(&server).await;
        connection
            .send(&format!("{head}\r\ncontent-length: 100000\r\n\r\n"))
            .await;
        let answer = connection.answer().await;
        assert_eq!(
            (answer.status, answer.closes),
            (200, true),
            "{name}: {answer:?}"
        );
        assert!(
            answer.body.contains("\"errCode\":\"6\""),
            "{name}: {answer:?}"
        );
        connection.ends().await;
        let mut connection = Connection::open(&server).await;
        connection
            .send(&format!("{head}\r\ncontent-length: 40000\r\n\r\n"))
            .await;
        assert_eq!(connection.answer().await.status, 100, "{name}");
    }
}

#[tokio::test]
async fn a_body_that_is_wanted_is_asked_for_and_the_connection_stays_in_step() {
    let server = Server::start().await;
    let mut connection = Connection::open(&server).await;
    for nickname in ["Ann", "Ben"] {
        let body = format!("{{\"nickname\": \"{nickname}\"}}");
        let head = "POST /v1/guests HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue";
        connection
            .send(&format!("{head}\r\ncontent-length: {}\r\n\r\n", body.len()))
            .await;
        assert_eq!(connection.answer().await.status, 100);
        connection.send(&body).await;
        let answer = connection.answer().await;
        assert!(
            answer.status == 201 && answer.body.contains(nickname),
            "{answer:?}"
        );
        connection.goes_on(nickname).await;
    }
}

#[tokio::test]
async fn a_request_of_http_1_1_names_one_host() {
    let server = Server::start().await;
    for hosts in [
        "",
        "host: localhost\r\nhost: localhost\r\n",
        "host: a b\r\n",
        "host: localhost:port\r\n",
        "host: user@localhost\r\n",
        "host:\r\n",
    ] {
        for target in ["/healthz", "/v1/nowhere", "http://localhost/healthz"] {
            let mut connection = Connection::open(&server).await;
            connection
                .send(&format!("GET {target} HTTP/1.1\r\n{hosts}\r\n"))
                .await;
            let answer = connection.answer().await;
            assert!(
                answer.status == 400 && answer.body.contains("\"INVALID_ARGUMENT\""),
                "{target} {hosts:?}: {answer:?}"
            );
            connection.goes_on(hosts).await;
        }
    }
    let mut connection = Connection::open(&server).await;
    connection.send("GET /healthz HTTP/1.0\r\n\r\n").await;
    assert_eq!(
        connection.answer().await.status,
        200,
        "which HTTP/1.0 did not know"
    );
}
