//! Accounts: sign-up, sign-in, sign-out, and changes of the own account.

use faceshare_tests::http::{Answer, Guest, Http};
use faceshare_tests::server::Server;
use reqwest::Method;
use serde_json::{Value, json};

/// A server whose password hashes take almost no time.
pub(crate) const QUICK: [(&str, &str); 2] = [
    ("argon2.test_parameters", "true"),
    ("benchmark.enabled", "true"),
];

async fn post(http: &Http, path: &str, token: Option<&str>, body: Value) -> Answer {
    http.call(Method::POST, path, token, Some(&body)).await
}

async fn sign_up(http: &Http, token: Option<&str>, username: &str, password: &str) -> Answer {
    post(
        http,
        "/v1/accounts",
        token,
        json!({"username": username, "password": password}),
    )
    .await
}

async fn sign_in(http: &Http, username: &str, password: &str) -> Answer {
    post(
        http,
        "/v1/accounts/sign-in",
        None,
        json!({"username": username, "password": password}),
    )
    .await
}

async fn refresh(http: &Http, who: &Guest) -> Answer {
    post(
        http,
        "/v1/accounts/refresh",
        None,
        json!({"refreshToken": who.refresh}),
    )
    .await
}

#[tokio::test]
async fn an_account_signs_up_and_in_at_the_default_parameters() {
    let server = Server::start().await;
    let http = server.http();
    let account = sign_up(&http, None, "Ann_1", "pässword ☎").await.ok(201);
    assert_eq!(account["account"]["username"], "Ann_1");
    assert_eq!(account["account"]["nickname"], "Ann_1");
    assert_eq!(account["account"]["guest"], false);
    assert!(account["accessToken"].is_null(), "{account}");
    let signed_in = sign_in(&http, "ANN_1", "pa\u{308}ssword ☎").await.ok(200);
    assert_eq!(signed_in["account"], account["account"]);
    for name in [
        "accessToken",
        "refreshToken",
        "expiresAt",
        "refreshExpiresAt",
    ] {
        assert!(signed_in[name].is_string(), "{name} in {signed_in}");
    }
    let me = http
        .get(
            "/v1/accounts/me",
            signed_in["accessToken"].as_str().expect("a token"),
        )
        .await
        .ok(200);
    assert_eq!(me, account);
    let log = server.log().lines().join("\n");
    assert!(!log.contains("ssword ☎"), "passwords are not logged");
}

#[tokio::test]
async fn an_invalid_sign_up_names_each_wrong_field() {
    let server = Server::start_with(&QUICK).await;
    let http = server.http();
    for bad in ["ann", "ann e", "änne", &"a".repeat(33), ""] {
        sign_up(&http, None, bad, "password")
            .await
            .invalid("username");
    }
    for bad in ["1234567", &"x".repeat(129), ""] {
        sign_up(&http, None, "ann_1", bad).await.invalid("password");
    }
    post(
        &http,
        "/v1/accounts",
        None,
        json!({"username": "ann_1", "password": "password", "nickname": ""}),
    )
    .await
    .invalid("nickname");
    post(&http, "/v1/accounts", None, json!({"username": "ann_1"}))
        .await
        .invalid("password");
    post(
        &http,
        "/v1/accounts",
        None,
        json!({"username": 7, "password": "password"}),
    )
    .await
    .invalid("username");
    sign_up(&http, Some("rubbish"), "ann_1", "password")
        .await
        .problem(401, "UNAUTHENTICATED");
    sign_up(&http, None, "ann_1", "password").await.ok(201);
    sign_up(&http, None, "ANN_1", "password")
        .await
        .problem(409, "ALREADY_EXISTS");
}

#[tokio::test]
async fn of_two_sign_ups_of_one_name_one_succeeds() {
    let server = Server::start_with(&QUICK).await;
    let http = server.http();
    for round in 0..10 {
        let (name, other) = (format!("ann_{round}"), format!("ANN_{round}"));
        let (one, two) = tokio::join!(
            sign_up(&http, None, &name, "password"),
            sign_up(&http, None, &other, "password")
        );
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{one:?} {two:?}");
    }
}

#[tokio::test]
async fn of_two_refreshes_of_one_token_both_get_the_same_pair() {
    let server = Server::start_with(&QUICK).await;
    let http = server.http();
    for round in 0..10 {
        let ann = http.member(&format!("ann_{round}"), "password").await;
        let (one, two) = tokio::join!(refresh(&http, &ann), refresh(&http, &ann));
        let (one, two) = (one.ok(200), two.ok(200));
        assert_eq!(
            (&one["accessToken"], &one["refreshToken"]),
            (&two["accessToken"], &two["refreshToken"])
        );
    }
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_are_answered_alike() {
    let server = Server::start_with(&QUICK).await;
    let http = server.http();
    http.member("ann_1", "password").await;
    let wrong = sign_in(&http, "ann_1", "passw0rd")
        .await
        .problem(401, "PASSWORD_INCORRECT");
    let unknown = sign_in(&http, "unknown", "passw0rd")
        .await
        .problem(401, "PASSWORD_INCORRECT");
    assert_eq!(wrong["detail"], unknown["detail"]);
    for empty in ["", "x"] {
        sign_in(&http, empty, empty)
            .await
            .problem(401, "PASSWORD_INCORRECT");
    }
}

#[tokio::test]
async fn a_guest_becomes_an_account_and_keeps_id_tokens_and_sessions() {
    let server = Server::start_with(&QUICK).await;
    let http = server.http();
    let guest = http.guest("Ann").await;
    let session = http.create(&guest, json!({"title": "Plans"})).await;
    let account = sign_up(&http, Some(&guest.access), "ann_1", "password")
        .await
        .ok(201);
    assert_eq!(account["account"]["id"], guest.id);
    assert_eq!(
        (
            &account["account"]["nickname"],
            &account["account"]["guest"]
        ),
        (&json!("Ann"), &json!(false))
    );
    assert_eq!(
        refresh(&http, &guest).await.ok(200)["account"],
        account["account"]
    );
    let ann = http.sign_in("ann_1", "password").await;
    assert_eq!(ann.id, guest.id);
    let listed = http.get("/v1/face-sessions", &ann.access).await.ok(200);
    assert_eq!(
        listed["faceSessions"][0]["id"],
        session["faceSession"]["id"]
    );
    sign_up(&http, Some(&guest.access), "ann_2", "password")
        .await
        .problem(409, "ALREADY_EXISTS");
    sign_up(&http, Some(&ann.access), "ann_2", "password")
        .await
        .problem(409, "ALREADY_EXISTS");
}

#[tokio::test]
async fn signing_out_ends_one_sign_in_for_good() {
    let mut server = Server::start_with(&QUICK).await;
    let http = server.http();
    let here = http.member("ann_1", "password").await;
    let there = http.sign_in("ann_1", "password").await;
    http.call(
        Method::POST,
        "/v1/accounts/sign-out",
        Some(&here.access),
        None,
    )
    .await
    .ok(204);
    for round in 0..2 {
        http.get("/v1/accounts/me", &here.access)
            .await
            .problem(401, "UNAUTHENTICATED");
        refresh(&http, &here).await.problem(401, "UNAUTHENTICATED");
        http.get("/v1/accounts/me", &there.access).await.ok(200);
        if round == 0 {
            server.kill().await;
            server.restart().await;
        }
    }
}

#[tokio::test]
async fn a_new_password_ends_the_other_sign_ins() {
    let server = Server::start_with(&QUICK).await;
    let http = server.http();
    let here = http.member("ann_1", "password").await;
    let there = http.sign_in("ann_1", "password").await;
    let change = async |token: &str, old: &str, new: &str| {
        post(
            &http,
            "/v1/accounts/me/password",
            Some(token),
            json!({"oldPassword": old, "newPassword": new}),
        )
        .await
    };
    change(&here.access, "wrong", "passw0rd")
        .await
        .problem(401, "PASSWORD_INCORRECT");
    change(&here.access, "password", "short")
        .await
        .invalid("newPassword");
    change(&here.access, "password", "passw0rd").await.ok(204);
    http.get("/v1/accounts/me", &there.access)
        .await
        .problem(401, "UNAUTHENTICATED");
    refresh(&http, &there).await.problem(401, "UNAUTHENTICATED");
    refresh(&http, &here).await.ok(200);
    sign_in(&http, "ann_1", "password")
        .await
        .problem(401, "PASSWORD_INCORRECT");
    sign_in(&http, "ann_1", "passw0rd").await.ok(200);
    let guest = http.guest("Ben").await;
    change(&guest.access, "password", "passw0rd")
        .await
        .problem(403, "FORBIDDEN");
}

#[tokio::test]
async fn a_nickname_changes_and_what_was_deleted_is_gone() {
    let server = Server::start_with(&QUICK).await;
    let http = server.http();
    for who in [
        http.guest("Ann").await,
        http.member("ann_1", "password").await,
    ] {
        let changed = http
            .patch(
                "/v1/accounts/me",
                &who.access,
                json!({"nickname": " Cafe\u{301} "}),
            )
            .await
            .ok(200);
        assert_eq!(changed["account"]["nickname"], "Café");
        assert_eq!(
            http.patch("/v1/accounts/me", &who.access, json!({}))
                .await
                .ok(200),
            changed
        );
        http.patch(
            "/v1/accounts/me",
            &who.access,
            json!({"nickname": "x".repeat(33)}),
        )
        .await
        .invalid("nickname");
        http.delete("/v1/accounts/me", &who.access).await.ok(204);
        http.get("/v1/accounts/me", &who.access)
            .await
            .problem(401, "UNAUTHENTICATED");
        http.delete("/v1/accounts/me", &who.access)
            .await
            .problem(401, "UNAUTHENTICATED");
        refresh(&http, &who).await.problem(401, "UNAUTHENTICATED");
    }
    sign_in(&http, "ann_1", "password")
        .await
        .problem(401, "PASSWORD_INCORRECT");
    sign_up(&http, None, "ann_1", "password").await.ok(201);
}

#[tokio::test]
async fn each_call_is_for_those_it_is_for() {
    let server = Server::start_with(&QUICK).await;
    let http = server.http();
    let guest = http.guest("Ann").await;
    let session = http.create(&guest, json!({})).await;
    let session_token = session["sessionToken"].as_str().expect("a token");
    for (method, path) in [
        (Method::GET, "/v1/accounts/me"),
        (Method::PATCH, "/v1/accounts/me"),
        (Method::DELETE, "/v1/accounts/me"),
        (Method::POST, "/v1/accounts/me/password"),
        (Method::POST, "/v1/accounts/sign-out"),
    ] {
        let body = json!({"nickname": "x", "oldPassword": "password", "newPassword": "passw0rd"});
        for wrong in [
            None,
            Some(session_token),
            Some(guest.refresh.as_str()),
            Some("rubbish"),
        ] {
            http.call(method.clone(), path, wrong, Some(&body))
                .await
                .problem(401, "UNAUTHENTICATED");
        }
    }
}

#[tokio::test]
async fn too_many_sign_ins_at_once_are_told_to_come_back() {
    let server = Server::start_with(&[("argon2.queue", "0"), ("argon2.concurrency", "1")]).await;
    let http = server.http();
    let attempts = (0..8).map(|_| sign_in(&http, "unknown", "password"));
    let answers = futures_util::future::join_all(attempts).await;
    let refused: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 503)
        .collect();
    assert!(!refused.is_empty(), "{answers:?}");
    for answer in refused {
        answer.problem(503, "UNAVAILABLE");
        assert!(!answer.header("retry-after").is_empty());
    }
    assert!(
        answers.iter().any(|answer| answer.status == 401),
        "{answers:?}"
    );
}
