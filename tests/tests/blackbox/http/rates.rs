//! Rates of requests of one address and of one account.

use super::accounts::QUICK;
use faceshare_tests::http::{Answer, Http, send};
use faceshare_tests::server::Server;
use reqwest::Method;
use serde_json::json;

async fn guest_from(http: &Http, address: &str) -> Answer {
    send(
        http.request(Method::POST, "/v1/guests")
            .header("x-forwarded-for", address)
            .json(&json!({"nickname": "Ann"})),
    )
    .await
}

fn assert_told_to_wait(answer: &Answer) {
    answer.problem(429, "RATE_LIMITED");
    assert!(
        answer
            .header("retry-after")
            .parse::<u64>()
            .is_ok_and(|seconds| seconds >= 1)
    );
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
    let settings = [
        ("limits.guests_per_address", "2"),
        ("http.trusted_proxies", "127.0.0.0/8"),
    ];
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
async fn sign_ups_are_limited_by_address_and_sign_ins_go_on() {
    let settings = [
        ("limits.accounts_per_address", "2"),
        ("http.trusted_proxies", "127.0.0.0/8"),
        ("classic.enabled", "true"),
    ];
    let server = Server::start_with(&[&settings[..], &QUICK].concat()).await;
    let http = server.http();
    let post = |path: &str, address: &str, name: &str| {
        let body = json!({"username": name, "password": "password"});
        send(
            http.request(Method::POST, path)
                .header("x-forwarded-for", address)
                .json(&body),
        )
    };
    post("/v1/accounts", "192.0.2.1", "ann_1").await.ok(201);
    post("/api/entrytask/user/signup", "192.0.2.1", "ann_2")
        .await
        .ok(200);
    for path in ["/v1/accounts", "/api/entrytask/user/signup"] {
        assert_told_to_wait(&post(path, "192.0.2.1", "ann_3").await);
    }
    post("/v1/accounts/sign-in", "192.0.2.1", "ann_2")
        .await
        .ok(200);
    post("/v1/accounts", "192.0.2.2", "ann_3").await.ok(201);
}

#[tokio::test]
async fn only_a_trusted_proxy_may_name_an_address() {
    let server = Server::start_with(&[("limits.guests_per_address", "2")]).await;
    let http = server.http();
    guest_from(&http, "192.0.2.1").await.ok(201);
    guest_from(&http, "192.0.2.2").await.ok(201);
    assert_told_to_wait(&guest_from(&http, "192.0.2.3").await);
}
