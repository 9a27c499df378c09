//! Wrong passwords: how many are answered, and which callers can still sign in.

use super::accounts::QUICK;
use faceshare_tests::DEADLINE;
use faceshare_tests::http::{Answer, Http, send};
use faceshare_tests::server::Server;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const PASSWORD: &str = "correct horse";

async fn sign_in_from(http: &Http, address: &str, username: &str, password: &str) -> Answer {
    let request = http
        .request(Method::POST, "/v1/accounts/sign-in")
        .header("x-forwarded-for", address);
    send(request.json(&json!({"username": username, "password": password}))).await
}

fn is_told_to_wait(answer: &Answer) {
    answer.problem(429, "RATE_LIMITED");
    let wait: u64 = answer.header("retry-after").parse().expect("seconds");
    assert!((1..=4_020).contains(&wait), "{wait}");
}

async fn server(settings: &[(&str, &str)]) -> Server {
    let common = [
        ("http.trusted_proxies", "127.0.0.1"),
        ("classic.enabled", "true"),
    ];
    Server::start_with(&[&common, &QUICK[..], settings].concat()).await
}

#[tokio::test]
async fn a_network_has_a_few_wrong_passwords_for_a_name_and_then_all_calls_wait() {
    let server = server(&[("auth.password_guesses", "3")]).await;
    let http = server.http();
    let ann = http.member("ann_1", PASSWORD).await;
    for username in ["ann_1", "unknown"] {
        for _ in 0..3 {
            sign_in_from(&http, "192.0.2.7", username, "wrong password")
                .await
                .problem(401, "PASSWORD_INCORRECT");
        }
        is_told_to_wait(&sign_in_from(&http, "192.0.2.8", username, PASSWORD).await);
    }
    let change = http
        .request(Method::POST, "/v1/accounts/me/password")
        .bearer_auth(&ann.access)
        .header("x-forwarded-for", "192.0.2.9");
    is_told_to_wait(
        &send(change.json(&json!({"oldPassword": PASSWORD, "newPassword": "another one"}))).await,
    );
    let classic = http
        .request(Method::POST, "/api/entrytask/user/signin")
        .header("x-forwarded-for", "192.0.2.7");
    let classic = send(classic.json(&json!({"username": "ann_1", "password": PASSWORD}))).await;
    assert_eq!(classic.ok(200)["errCode"], "0");
    assert!(
        classic
            .header("retry-after")
            .parse::<u64>()
            .is_ok_and(|seconds| seconds > 60),
        "{classic:?}"
    );

    sign_in_from(&http, "198.51.100.7", "ann_1", PASSWORD)
        .await
        .ok(200);
    http.get("/v1/accounts/me", &ann.access).await.ok(200);
}

#[tokio::test]
async fn an_address_that_fills_its_quota_of_the_queue_does_not_block_others() {
    let settings = [
        ("http.trusted_proxies", "127.0.0.1"),
        ("argon2.concurrency", "1"),
        ("argon2.queue_per_address", "1"),
    ];
    let server = Server::start_with(&settings).await;
    let http = server.http();
    let flood = join_all((0..8).map(|_| sign_in_from(&http, "192.0.2.7", "unknown", "password")));
    let (flood, neighbour, stranger) = tokio::join!(
        flood,
        sign_in_from(&http, "192.0.2.8", "unknown", "password"),
        sign_in_from(&http, "198.51.100.7", "unknown", "password"),
    );
    let (answered, refused): (Vec<_>, Vec<_>) =
        flood.iter().partition(|answer| answer.status == 401);
    assert!(!answered.is_empty() && !refused.is_empty(), "{flood:?}");
    refused.into_iter().for_each(is_told_to_wait);
    for other in [neighbour, stranger] {
        other.problem(401, "PASSWORD_INCORRECT");
    }
}

#[tokio::test]
async fn a_flood_of_sign_ups_does_not_block_sign_ins() {
    let server = Server::start_with(&[("argon2.concurrency", "1"), ("argon2.queue", "0")]).await;
    let http = server.http();
    let sign_up = |number| {
        let body = json!({"username": format!("name-{number}"), "password": PASSWORD});
        send(http.request(Method::POST, "/v1/accounts").json(&body))
    };
    let (flood, sign_in) = tokio::join!(
        join_all((0..8).map(sign_up)),
        sign_in_from(&http, "192.0.2.7", "unknown", "password")
    );
    let (made, refused): (Vec<_>, Vec<_>) = flood.iter().partition(|answer| answer.status == 201);
    assert!(!made.is_empty() && !refused.is_empty(), "{flood:?}");
    for answer in refused {
        answer.problem(503, "UNAVAILABLE");
    }
    sign_in.problem(401, "PASSWORD_INCORRECT");
}

#[tokio::test]
async fn wrong_old_passwords_spend_the_same_budget() {
    let server = server(&[("auth.password_guesses", "2")]).await;
    let http = server.http();
    let ann = http.member("ann_1", PASSWORD).await;
    let change = || {
        http.post(
            "/v1/accounts/me/password",
            &ann.access,
            json!({"oldPassword": "wrong one", "newPassword": "another one"}),
        )
    };
    for _ in 0..2 {
        change().await.problem(401, "PASSWORD_INCORRECT");
    }
    is_told_to_wait(&change().await);
}

#[tokio::test]
async fn strangers_do_not_lock_accounts_out_of_networks_they_signed_in_from() {
    let settings = [
        ("auth.password_guesses", "3"),
        ("auth.password_guesses_per_account", "6"),
        ("auth.password_guesses_per_network", "5"),
    ];
    let server = server(&settings).await;
    let http = server.http();
    http.member("ann_1", PASSWORD).await;
    sign_in_from(&http, "192.0.2.7", "ann_1", PASSWORD)
        .await
        .ok(200);
    for network in ["198.51.100.1", "203.0.113.1"] {
        for _ in 0..3 {
            sign_in_from(&http, network, "ann_1", "wrong password")
                .await
                .problem(401, "PASSWORD_INCORRECT");
        }
    }
    is_told_to_wait(&sign_in_from(&http, "10.0.0.1", "ann_1", PASSWORD).await);
    sign_in_from(&http, "192.0.2.7", "ann_1", PASSWORD)
        .await
        .ok(200);

    for number in 0..5 {
        sign_in_from(
            &http,
            "192.0.2.9",
            &format!("name-{number}"),
            "wrong password",
        )
        .await
        .problem(401, "PASSWORD_INCORRECT");
    }
    is_told_to_wait(&sign_in_from(&http, "192.0.2.9", "name-5", "wrong password").await);
    sign_in_from(&http, "192.0.2.7", "ann_1", PASSWORD)
        .await
        .ok(200);
}

/// Right passwords spend no budget, so only the queue limits such a flood.
#[tokio::test(flavor = "multi_thread")]
async fn four_addresses_that_sign_in_without_pause_keep_no_one_else_from_signing_in() {
    const ATTACKERS: [&str; 4] = ["192.0.2.7", "192.0.2.8", "198.51.100.7", "198.51.100.8"];
    const AT_ONCE: usize = 6;
    const HONEST: usize = 5;
    const ROUNDS: usize = 3;
    let settings = [
        ("http.trusted_proxies", "127.0.0.1"),
        ("argon2.concurrency", "1"),
        ("argon2.queue", "8"),
        ("argon2.queue_per_address", "4"),
        ("argon2.queue_per_network", "8"),
    ];
    let server = Server::start_with(&settings).await;
    let http = server.http();
    http.member("mallory", PASSWORD).await;
    let names: Vec<_> = (0..HONEST)
        .map(|number| format!("honest_{number}"))
        .collect();
    for name in &names {
        http.member(name, PASSWORD).await;
    }
    let refused = AtomicUsize::new(0);
    let attack = join_all(
        ATTACKERS
            .iter()
            .cycle()
            .take(ATTACKERS.len() * AT_ONCE)
            .map(async |address| {
                loop {
                    let answer = sign_in_from(&http, address, "mallory", PASSWORD).await;
                    refused.fetch_add(usize::from(answer.status != 200), Ordering::Relaxed);
                }
            }),
    );
    // Wait until the queue is full. Then sign in one after another, each from another network.
    let honest = async {
        let began = Instant::now();
        while refused.load(Ordering::Relaxed) < AT_ONCE {
            assert!(began.elapsed() < DEADLINE, "the queue never filled");
            tokio::task::yield_now().await;
        }
        join_all(names.iter().enumerate().map(async |(number, name)| {
            let mut through = 0;
            for _ in 0..ROUNDS {
                let answer = sign_in_from(&http, &format!("10.{number}.0.1"), name, PASSWORD).await;
                through += usize::from(answer.status == 200);
            }
            through
        }))
        .await
        .into_iter()
        .sum::<usize>()
    };
    let through = tokio::select! {
        _ = attack => unreachable!("it goes on"),
        through = honest => through,
    };
    let asked = HONEST * ROUNDS;
    eprintln!(
        "{through} of {asked} honest sign-ins got through; {} of the attackers' were refused",
        refused.load(Ordering::Relaxed)
    );
    assert_eq!(through, asked, "honest sign-ins that got through");
}
