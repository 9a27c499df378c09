//! `Idempotency-Key`: a repeated call takes effect once.

use faceshare_tests::http::{Answer, Guest, Http, send};
use faceshare_tests::server::Server;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, Executor};

async fn keyed(http: &Http, who: &Guest, path: &str, key: &str, body: &Value) -> Answer {
    send(
        http.request(Method::POST, path)
            .bearer_auth(&who.access)
            .header("idempotency-key", key)
            .json(body),
    )
    .await
}

fn is_replayed(answer: &Answer) -> bool {
    answer
        .headers
        .get("idempotency-replayed")
        .is_some_and(|value| value == "true")
}

async fn sessions(http: &Http, who: &Guest) -> usize {
    http.get("/v1/face-sessions", &who.access).await.ok(200)["faceSessions"]
        .as_array()
        .expect("a list")
        .len()
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_also_after_a_crash() {
    let mut server = Server::start().await;
    let http = server.http();
    let ann = http.guest("Ann").await;
    let body = json!({"title": "Once"});
    let first = keyed(&http, &ann, "/v1/face-sessions", "k-1", &body).await;
    assert!(first.status == 201 && !is_replayed(&first));
    let again = keyed(&http, &ann, "/v1/face-sessions", "k-1", &body).await;
    assert!(is_replayed(&again));
    assert_eq!((again.status, &again.text), (201, &first.text));
    assert_ne!(again.header("x-request-id"), first.header("x-request-id"));

    server.kill().await;
    server.restart().await;
    let later = keyed(&server.http(), &ann, "/v1/face-sessions", "k-1", &body).await;
    assert!(is_replayed(&later));
    assert_eq!(later.text, first.text);
    assert_eq!(sessions(&server.http(), &ann).await, 1);
}

/// Recreates the files as they are when the process is killed after the effect of a call and before
/// its answer is stored.
async fn forget_answers(server: &Server) {
    let url = format!(
        "sqlite://{}",
        server.data_dir().join("data/faceshare.db").display()
    );
    let mut connection = sqlx::SqliteConnection::connect(&url)
        .await
        .expect("the database");
    connection
        .execute("UPDATE answers SET sealed = NULL, expires_at = expires_at - 86370000")
        .await
        .expect("forgotten");
    connection.close().await.expect("closed");
}

#[tokio::test]
async fn a_call_whose_process_died_before_its_answer_was_kept_makes_one_thing_and_is_repeated_at_once()
 {
    let mut server = Server::start().await;
    let http = server.http();
    let ann = http.guest("Ann").await;
    let body = json!({"title": "Once"});
    let first = keyed(&http, &ann, "/v1/face-sessions", "k-1", &body)
        .await
        .ok(201);
    server.kill().await;
    forget_answers(&server).await;
    server.restart().await;
    let http = server.http();
    let again = keyed(&http, &ann, "/v1/face-sessions", "k-1", &body).await;
    assert!(!is_replayed(&again), "the answer is gone");
    let again = again.ok(201);
    for field in ["id", "title"] {
        assert_eq!(again["faceSession"][field], first["faceSession"][field]);
    }
    assert_eq!(again["numberCode"]["code"], first["numberCode"]["code"]);
    assert_eq!(sessions(&http, &ann).await, 1);
    keyed(
        &http,
        &ann,
        "/v1/face-sessions",
        "k-1",
        &json!({"title": "Other"}),
    )
    .await
    .problem(409, "CONFLICT");
}

#[tokio::test]
async fn a_code_a_link_and_an_upgrade_are_made_once_though_the_process_died_before_the_answer_was_kept()
 {
    let mut server = Server::start().await;
    let http = server.http();
    let ann = http.guest("Ann").await;
    let created = http
        .post("/v1/face-sessions", &ann.access, json!({}))
        .await
        .ok(201);
    let id = created["faceSession"]["id"].as_str().expect("an id");
    let calls = [
        (format!("/v1/face-sessions/{id}/number-code"), json!({})),
        (
            format!("/v1/face-sessions/{id}/invoke-link"),
            json!({"maxUses": 3}),
        ),
        (
            "/v1/accounts".to_owned(),
            json!({"username": "ann_1", "password": "password"}),
        ),
    ];
    let mut first = Vec::new();
    for (path, body) in &calls {
        let answer = keyed(&http, &ann, path, "k-1", body).await;
        assert!(matches!(answer.status, 200 | 201), "{path}");
        first.push((answer.status, answer.json()));
    }
    server.kill().await;
    forget_answers(&server).await;
    server.restart().await;
    let http = server.http();
    for ((path, body), first) in calls.iter().zip(&first) {
        let again = keyed(&http, &ann, path, "k-1", body).await;
        assert!(!is_replayed(&again), "the answer of {path} is gone");
        assert_eq!((again.status, again.json()), *first, "{path}");
    }
}

#[tokio::test]
async fn a_key_is_its_callers_and_its_calls() {
    let server = Server::start().await;
    let http = server.http();
    let (ann, bob) = (http.guest("Ann").await, http.guest("Bob").await);
    let body = json!({"title": "Mine"});
    let first = keyed(&http, &ann, "/v1/face-sessions", "k", &body)
        .await
        .ok(201);
    keyed(
        &http,
        &ann,
        "/v1/face-sessions",
        "k",
        &json!({"title": "Other"}),
    )
    .await
    .problem(409, "CONFLICT");
    let of_bob = keyed(&http, &bob, "/v1/face-sessions", "k", &body).await;
    assert!(of_bob.status == 201 && !is_replayed(&of_bob));
    let end = format!(
        "/v1/face-sessions/{}/end",
        first["faceSession"]["id"].as_str().expect("an id")
    );
    let other_call = keyed(&http, &ann, &end, "k", &body).await;
    assert!(other_call.status == 204 && !is_replayed(&other_call));
    assert!(is_replayed(&keyed(&http, &ann, &end, "k", &body).await));
    keyed(&http, &ann, &end, "other", &body)
        .await
        .problem(410, "SESSION_ENDED");
    let refused = keyed(&http, &ann, &end, "other", &body).await;
    assert!(is_replayed(&refused), "what was refused stays refused");
    let problem = refused.problem(410, "SESSION_ENDED");
    assert_eq!(problem["requestId"], refused.header("x-request-id"));
}

#[tokio::test]
async fn of_many_at_once_one_takes_effect() {
    let server = Server::start().await;
    let http = server.http();
    let ann = http.guest("Ann").await;
    let body = json!({"title": "Once"});
    let calls = (0..8).map(|_| keyed(&http, &ann, "/v1/face-sessions", "k", &body));
    for answer in futures_util::future::join_all(calls).await {
        match answer.status {
            201 => {}
            409 => assert_eq!(
                (
                    answer.header("retry-after"),
                    &answer.problem(409, "CONFLICT")["code"]
                ),
                ("1", &json!("CONFLICT"))
            ),
            other => panic!("{other}: {}", answer.text),
        }
    }
    assert_eq!(sessions(&http, &ann).await, 1);
}

#[tokio::test]
async fn a_bad_key_is_refused_and_a_stranger_signs_in_first() {
    let server = Server::start().await;
    let http = server.http();
    let ann = http.guest("Ann").await;
    for bad in ["", "a b", &"k".repeat(65)] {
        let problem = keyed(&http, &ann, "/v1/face-sessions", bad, &json!({}))
            .await
            .problem(400, "INVALID_ARGUMENT");
        assert_eq!(problem["errors"][0]["path"], "Idempotency-Key");
    }
    let stranger = http
        .request(Method::POST, "/v1/face-sessions")
        .header("idempotency-key", "k")
        .json(&json!({}));
    send(stranger).await.problem(401, "UNAUTHENTICATED");
    let guest = |key: &'static str| {
        http.request(Method::POST, "/v1/guests")
            .header("idempotency-key", key)
            .json(&json!({"nickname": "Cat"}))
    };
    assert!(
        send(guest("k")).await.text != send(guest("k")).await.text,
        "this call has no authenticated caller"
    );
}
