//! CORS: which pages may call the server and read its answers.

use faceshare_tests::http::{Answer, Guest, Http, send};
use faceshare_tests::server::Server;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

const PAGE: &str = "https://page.example";
const OTHERS: [&str; 7] = [
    "https://evil.example",
    "http://page.example",
    "https://page.example:8443",
    "https://page.example.evil.example",
    "https://sub.page.example",
    "null",
    "*",
];
/// Headers that our calls use and that are not CORS-safelisted.
const SENT: [&str; 7] = [
    "authorization",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "traceparent",
    "x-faceshare-cookie",
    "x-request-id",
];
const SESSIONS: &str = "/v1/face-sessions";

/// The preflight that a browser sends for a page.
fn preflight(http: &Http, origin: &str, method: &str, headers: &str) -> RequestBuilder {
    let request = http
        .request(Method::OPTIONS, SESSIONS)
        .header("origin", origin);
    request
        .header("access-control-request-method", method)
        .header("access-control-request-headers", headers)
}

/// Checks that a browser lets a page of this origin read the answer, without cookies.
fn assert_readable(answer: &Answer, origin: &str) {
    assert_eq!(
        answer.header("access-control-allow-origin"),
        origin,
        "{answer:?}"
    );
    assert_uncredentialed(answer);
}

fn assert_unreadable(answer: &Answer) {
    assert!(
        !answer.headers.contains_key("access-control-allow-origin"),
        "{answer:?}"
    );
    assert_uncredentialed(answer);
}

/// Checks that no page may send cookies, and that caches keep the answers for different origins
/// apart.
fn assert_uncredentialed(answer: &Answer) {
    assert!(
        !answer
            .headers
            .contains_key("access-control-allow-credentials"),
        "{answer:?}"
    );
    let varies = answer
        .headers
        .get_all("vary")
        .iter()
        .filter_map(|value| value.to_str().ok());
    assert!(
        varies
            .flat_map(|value| value.split(','))
            .any(|name| name.trim().eq_ignore_ascii_case("origin")),
        "{answer:?}"
    );
}

/// The names in a header with a list, in lower case.
fn listed(answer: &Answer, header: &str) -> Vec<String> {
    answer
        .header(header)
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .collect()
}

async fn server_for_the_page() -> (Server, Http, Guest) {
    let server = Server::start_with(&[("http.cors_origins", PAGE)]).await;
    let http = server.http();
    let guest = http.guest("Ann").await;
    (server, http, guest)
}

#[tokio::test]
async fn a_page_that_is_allowed_may_send_what_our_calls_need() {
    let (_server, http, _guest) = server_for_the_page().await;
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
        let answer = send(preflight(&http, PAGE, method, &SENT.join(","))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_readable(&answer, PAGE);
        assert!(
            listed(&answer, "access-control-allow-methods").contains(&method.to_ascii_lowercase()),
            "{answer:?}"
        );
        let headers = listed(&answer, "access-control-allow-headers");
        for header in SENT {
            assert!(
                headers.iter().any(|name| name == header),
                "{header}: {answer:?}"
            );
        }
        // Pages cannot set the cookie header, so it is not in the allowed headers.
        assert!(
            !headers.iter().any(|name| name == "cookie" || name == "*"),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_page_that_is_allowed_reads_answers_and_refusals() {
    let (_server, http, guest) = server_for_the_page().await;
    let from = |request: RequestBuilder| send(request.header("origin", PAGE));
    let created = from(
        http.request(Method::POST, SESSIONS)
            .bearer_auth(&guest.access)
            .json(&json!({})),
    )
    .await;
    created.ok(201);
    assert_readable(&created, PAGE);
    let exposed = listed(&created, "access-control-expose-headers");
    for header in [
        "x-request-id",
        "retry-after",
        "location",
        "etag",
        "idempotency-replayed",
    ] {
        assert!(
            exposed.iter().any(|name| name == header),
            "{header}: {created:?}"
        );
    }
    let listing = from(
        http.request(Method::GET, SESSIONS)
            .bearer_auth(&guest.access),
    )
    .await;
    listing.ok(200);
    assert_readable(&listing, PAGE);
    let (unauthenticated, nowhere) = (
        from(http.request(Method::GET, SESSIONS)).await,
        from(http.request(Method::GET, "/nowhere")).await,
    );
    unauthenticated.problem(401, "UNAUTHENTICATED");
    nowhere.problem(404, "NOT_FOUND");
    for refusal in [unauthenticated, nowhere] {
        assert_readable(&refusal, PAGE);
    }
}

#[tokio::test]
async fn a_page_that_is_not_allowed_may_neither_send_nor_read() {
    let (_server, http, guest) = server_for_the_page().await;
    for origin in OTHERS {
        let asked = send(preflight(&http, origin, "POST", "authorization")).await;
        assert_unreadable(&asked);
        assert_eq!(
            asked.problem(403, "FORBIDDEN")["detail"],
            format!("origin {origin} is not in http.cors_origins")
        );
        let simple = http
            .request(Method::GET, SESSIONS)
            .bearer_auth(&guest.access)
            .header("origin", origin);
        assert_unreadable(&send(simple).await);
    }
}

#[tokio::test]
async fn an_options_request_that_is_no_preflight_is_told_the_known_methods() {
    let (_server, http, _guest) = server_for_the_page().await;
    let from_the_page = http
        .request(Method::OPTIONS, SESSIONS)
        .header("origin", PAGE);
    for request in [http.request(Method::OPTIONS, SESSIONS), from_the_page] {
        let answer = send(request).await;
        answer.problem(405, "METHOD_NOT_ALLOWED");
        let mut allowed: Vec<_> = answer.header("allow").split(',').map(str::trim).collect();
        allowed.sort_unstable();
        assert_eq!(allowed, ["GET", "HEAD", "POST"]);
    }
}

#[tokio::test]
async fn without_configured_origins_no_page_of_another_origin_reads_anything() {
    let server = Server::start().await;
    let http = server.http();
    for origin in [PAGE, "null"] {
        let simple = send(
            http.request(Method::GET, "/healthz")
                .header("origin", origin),
        )
        .await;
        for answer in [
            simple,
            send(preflight(&http, origin, "POST", "authorization")).await,
        ] {
            let told = answer
                .headers
                .keys()
                .filter(|name| name.as_str().starts_with("access-control-"));
            assert_eq!(told.count(), 0, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn the_page_of_the_public_address_may_call_and_another_spelling_of_an_origin_is_the_same() {
    let settings = [
        ("http.public_url", "https://meet.example/base"),
        ("http.cors_origins", "https://page.example:443"),
    ];
    let server = Server::start_with(&settings).await;
    let http = server.http();
    for origin in ["https://meet.example", PAGE] {
        let asked = send(preflight(&http, origin, "POST", "authorization")).await;
        asked.ok(200);
        assert_readable(&asked, origin);
        assert_readable(
            &send(
                http.request(Method::GET, "/healthz")
                    .header("origin", origin),
            )
            .await,
            origin,
        );
    }
    send(preflight(
        &http,
        "http://meet.example",
        "POST",
        "authorization",
    ))
    .await
    .problem(403, "FORBIDDEN");
}

#[tokio::test]
async fn a_refused_origin_is_named_in_the_log_with_the_setting() {
    let server = Server::start().await;
    let http = server.http();
    for _ in 0..2 {
        send(preflight(
            &http,
            "https://evil.example",
            "POST",
            "authorization",
        ))
        .await
        .problem(403, "FORBIDDEN");
    }
    let line = server
        .log()
        .line(|line| line["origin"] == "https://evil.example")
        .await;
    assert!(
        line["message"]
            .as_str()
            .is_some_and(|message| message.contains("http.cors_origins")),
        "{line}"
    );
    http.guest("Ann").await;
    let named = server
        .log()
        .lines()
        .iter()
        .filter(|line| line.contains("https://evil.example"))
        .count();
    assert_eq!(named, 1, "once is enough");
}
