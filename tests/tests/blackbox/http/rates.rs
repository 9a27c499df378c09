//! How much one address, and one account, may ask for.

use faceshare_tests::http::{Answer, Http, send};
use faceshare_tests::server::Server;
use reqwest::Method;
use serde_json::json;

async fn guest_from(http: &Http, address: &str) -> Answer {
    send(http.request(Method::POST, "/v1/guests").header("x-forwarded-for", address).json(&json!({"nickname": "Ann"}))).await
}

fn assert_told_to_wait(answer: &Answer) {
    answer.problem(429, "RATE_LIMITED");
    assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1));
}

#[tokio::test]
async fn an_account_is_limited_from_wherever_it_asks() {
    let server = Server::start_with(&[("limits.http_per_account", "1")]).await;
    let http = server.http();
    let (ann, bob) = (http.guest("Ann").await, http.guest("Bob").await);
    let mut refused = None;
    for _ in 0..20 {
        let answer = http.get("/v1/face-sessions", &ann.access).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    assert_told_to_wait(&refused.expect("five at once are allowed, not twenty"));
    http.get("/v1/face-sessions", &bob.access).await.ok(200);
}

#[tokio::test]
async fn new_guests_are_limited_by_the_address_that_a_known_proxy_names() {
    let settings = [("limits.guests_per_address", "2"), ("http.trusted_proxies", "127.0.0.0/8")];
    let server = Server::start_with(&settings).await;
    let http = server.http();
    for _ in 0..2 {
        guest_from(&http, "192.0.2.1").await.ok(201);
    }
    assert_told_to_wait(&guest_from(&http, "192.0.2.1").await);
    guest_from(&http, "192.0.2.2").await.ok(201);
    assert_told_to_wait(&guest_from(&http, "203.0.113.9, 192.0.2.1").await);
}

#[tokio::test]
async fn nobody_but_a_known_proxy_names_an_address() {
    let server = Server::start_with(&[("limits.guests_per_address", "2")]).await;
    let http = server.http();
    guest_from(&http, "192.0.2.1").await.ok(201);
    guest_from(&http, "192.0.2.2").await.ok(201);
    assert_told_to_wait(&guest_from(&http, "192.0.2.3").await);
}
