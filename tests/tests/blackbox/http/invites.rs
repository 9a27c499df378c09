//! Invite links.

use faceshare_tests::Format;
use faceshare_tests::meeting::Meeting;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

fn told(answer: &faceshare_tests::http::Answer) -> Value {
    let mut problem = answer.problem(404, "NUMBER_CODE_NOT_JOINABLE");
    problem
        .as_object_mut()
        .expect("an object")
        .remove("requestId");
    problem
}

#[tokio::test]
async fn a_link_keeps_its_secret_in_the_fragment_and_opens_the_session() {
    let (meeting, _sockets) = Meeting::of(Format::Json, 2).await;
    let http = &meeting.http;
    let path = meeting.path("/invoke-link");
    http.get(&path, meeting.access(0))
        .await
        .problem(404, "NOT_FOUND");
    http.post(&path, meeting.access(1), json!({}))
        .await
        .problem(403, "FORBIDDEN");
    let link = http.post(&path, meeting.access(0), json!({})).await;
    assert!(matches!(link.status, 200 | 201), "{link:?}");
    let link = link.json();
    let token = link["inviteToken"].as_str().expect("an invite token");
    assert!(token.len() >= 22, "128 bits need 22 characters of base64");
    assert_eq!(
        link["webUrl"],
        format!("{}/j#{token}", meeting.server.url())
    );
    assert!(
        link["appUrl"]
            .as_str()
            .is_some_and(|url| url.contains(token)),
        "{link}"
    );
    assert!(
        link["qrSvg"]
            .as_str()
            .is_some_and(|svg| svg.contains("<svg") && svg.trim_end().ends_with("</svg>")),
        "{link}"
    );
    assert!(link["expiresAt"].is_string());
    assert_eq!(
        http.get(&path, meeting.access(1)).await.ok(200)["inviteToken"],
        link["inviteToken"]
    );

    let guest = http.guest("ben").await;
    let admitted = http
        .post(
            "/v1/face-sessions/prejoin",
            &guest.access,
            json!({"inviteToken": token}),
        )
        .await
        .ok(200);
    assert_eq!(
        (&admitted["status"], &admitted["faceSession"]["id"]),
        (&json!("ADMITTED"), &json!(meeting.id))
    );
}

#[tokio::test]
async fn a_dead_link_answers_as_a_bad_code_does() {
    let (meeting, _sockets) = Meeting::of(Format::Json, 1).await;
    let http = &meeting.http;
    let path = meeting.path("/invoke-link");
    let guest = http.guest("ben").await;
    let join = |token: Value| {
        http.post(
            "/v1/face-sessions/prejoin",
            &guest.access,
            json!({"inviteToken": token}),
        )
    };
    let bad_code = told(
        &http
            .prejoin(
                &guest,
                if meeting.code == "719428" {
                    "482917"
                } else {
                    "719428"
                },
            )
            .await,
    );

    let link = http
        .post(&path, meeting.access(0), json!({"maxUses": 1}))
        .await
        .json();
    let other = http.guest("cleo").await;
    http.post(
        "/v1/face-sessions/prejoin",
        &other.access,
        json!({"inviteToken": link["inviteToken"]}),
    )
    .await
    .ok(200);
    assert_eq!(
        told(&join(link["inviteToken"].clone()).await),
        bad_code,
        "used up"
    );

    let link = http
        .post(&path, meeting.access(0), json!({"expiresIn": "3600s"}))
        .await
        .json();
    http.delete(&path, meeting.access(0)).await.ok(204);
    assert_eq!(
        told(&join(link["inviteToken"].clone()).await),
        bad_code,
        "revoked"
    );
    http.get(&path, meeting.access(0))
        .await
        .problem(404, "NOT_FOUND");
    assert_eq!(
        told(&join(json!("AAAAAAAAAAAAAAAAAAAAAA")).await),
        bad_code,
        "unknown"
    );

    http.post(&path, meeting.access(0), json!({"maxUses": 0}))
        .await
        .invalid("maxUses");
    http.post(&path, meeting.access(0), json!({"expiresIn": "soon"}))
        .await
        .invalid("expiresIn");
}

#[tokio::test]
async fn concurrent_joins_of_one_caller_spend_one_use_of_an_invite() {
    let (meeting, _sockets) = Meeting::of(Format::Json, 1).await;
    let http = &meeting.http;
    let link = http
        .post(
            &meeting.path("/invoke-link"),
            meeting.access(0),
            json!({"maxUses": 1}),
        )
        .await
        .json();
    let (ben, cleo) = (http.guest("ben").await, http.guest("cleo").await);
    let body = json!({"inviteToken": link["inviteToken"]});
    let enter = |access| http.post("/v1/face-sessions/prejoin", access, body.clone());
    for entered in join_all((0..12).map(|_| enter(&ben.access))).await {
        let entered = entered.ok(200);
        assert_eq!(
            (&entered["status"], &entered["faceSession"]["id"]),
            (&json!("ADMITTED"), &json!(meeting.id))
        );
    }
    enter(&cleo.access)
        .await
        .problem(404, "NUMBER_CODE_NOT_JOINABLE");
}

#[tokio::test]
async fn the_landing_page_is_the_same_for_everybody() {
    let (meeting, _sockets) = Meeting::of(Format::Json, 1).await;
    let page = meeting.http.call(Method::GET, "/j", None, None).await;
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-type").starts_with("text/html"),
        "{page:?}"
    );
    assert!(
        page.text.to_lowercase().starts_with("<!doctype html"),
        "{page:?}"
    );
    assert!(!page.text.contains(&meeting.id));
}
