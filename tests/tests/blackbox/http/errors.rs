//! Errors before a call is routed and parsed.

use faceshare_tests::http::send;
use faceshare_tests::server::Server;
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn request_ids_are_echoed_when_they_are_well_formed() {
    let server = Server::start().await;
    let http = server.http();
    let with_id = |id: String| {
        send(
            http.request(Method::GET, "/healthz")
                .header("x-request-id", id),
        )
    };
    for good in ["a".to_owned(), "A-b_c.9".to_owned(), "x".repeat(64)] {
        assert_eq!(with_id(good.clone()).await.header("x-request-id"), good);
    }
    for bad in [
        "a b".to_owned(),
        "x".repeat(65),
        "a/b".to_owned(),
        "<script>".to_owned(),
    ] {
        assert_ne!(with_id(bad.clone()).await.header("x-request-id"), bad);
    }
    let refused = send(
        http.request(Method::GET, "/v1/face-sessions")
            .header("x-request-id", "mine"),
    )
    .await;
    assert_eq!(refused.problem(401, "UNAUTHENTICATED")["requestId"], "mine");
}

#[tokio::test]
async fn a_body_that_is_not_json_is_an_invalid_argument() {
    let server = Server::start().await;
    let http = server.http();
    for body in [
        "",
        "{",
        "nonsense",
        "[]",
        "7",
        "{\"nickname\": \"a\"} trailing",
        "{\"nickname\": \"\u{fffd}",
    ] {
        let request = http
            .request(Method::POST, "/v1/guests")
            .header("content-type", "application/json")
            .body(body);
        send(request).await.problem(400, "INVALID_ARGUMENT");
    }
    let bytes = http
        .request(Method::POST, "/v1/guests")
        .header("content-type", "application/json")
        .body(vec![b'"', 0xff, b'"']);
    send(bytes).await.problem(400, "INVALID_ARGUMENT");
}

#[tokio::test]
async fn another_content_type_is_unsupported() {
    let server = Server::start().await;
    let http = server.http();
    let body = json!({"nickname": "ann"}).to_string();
    for kind in [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
    ] {
        let request = http
            .request(Method::POST, "/v1/guests")
            .header("content-type", kind)
            .body(body.clone());
        send(request).await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    for kind in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
    ] {
        let request = http
            .request(Method::POST, "/v1/guests")
            .header("content-type", kind)
            .body(body.clone());
        send(request).await.ok(201);
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let server = Server::start().await;
    let body = json!({"nickname": "a".repeat(3 << 20)}).to_string();
    let request = server
        .http()
        .request(Method::POST, "/v1/guests")
        .header("content-type", "application/json")
        .body(body);
    send(request).await.problem(413, "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn a_wrong_method_names_the_right_ones() {
    let server = Server::start().await;
    let http = server.http();
    for (method, path, allowed) in [
        (Method::PUT, "/v1/face-sessions", ["GET", "POST"].as_slice()),
        (Method::GET, "/v1/guests", &["POST"]),
        (Method::DELETE, "/v1/face-sessions/1", &["GET", "PATCH"]),
        (
            Method::PATCH,
            "/v1/face-sessions/1/invoke-link",
            &["GET", "POST", "DELETE"],
        ),
    ] {
        let answer = http.call(method, path, None, None).await;
        answer.problem(405, "METHOD_NOT_ALLOWED");
        for allowed in allowed {
            assert!(
                answer
                    .header("allow")
                    .split(',')
                    .any(|method| method.trim() == *allowed),
                "{allowed} in {answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_unknown_path_is_not_found() {
    let server = Server::start().await;
    let http = server.http();
    for path in [
        "/",
        "/v1",
        "/v1/nothing",
        "/v2/guests",
        "/v1/face-sessions/1/nothing",
    ] {
        http.call(Method::GET, path, None, None)
            .await
            .problem(404, "NOT_FOUND");
    }
}
