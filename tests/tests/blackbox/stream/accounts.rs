//! Changes of an account affect its connections.

use faceshare_tests::http::Guest;
use faceshare_tests::meeting::Meeting;
use faceshare_tests::socket::{Credential, Socket, handshake};
use faceshare_tests::{Format, in_both_formats};
use reqwest::Method;
use serde_json::json;

/// A server whose password hashes take almost no time.
const QUICK: [(&str, &str); 2] = [
    ("argon2.test_parameters", "true"),
    ("benchmark.enabled", "true"),
];

in_both_formats!(
    a_changed_nickname_is_told_to_the_session,
    signing_out_closes_the_points_and_their_tokens_resume_nowhere,
    reuse_of_a_refresh_token_closes_the_points,
    another_password_closes_the_points_of_every_other_sign_in,
    a_deleted_account_leaves_its_session,
);

async fn a_changed_nickname_is_told_to_the_session(format: Format) {
    let (meeting, mut sockets) = Meeting::of(format, 2).await;
    meeting
        .http
        .patch(
            "/v1/accounts/me",
            meeting.access(1),
            json!({"nickname": "Änne"}),
        )
        .await
        .ok(200);
    for socket in &mut sockets {
        let changed = socket.expect("memberChange").await["memberChange"]["member"].clone();
        assert_eq!(
            (&changed["memberId"], &changed["nickname"]),
            (&json!(meeting.guests[1].id), &json!("Änne"))
        );
        assert_eq!(changed["online"], true);
    }
}

/// Its token is refused in both cases, and a new one is refused too.
async fn assert_shut_out(meeting: &Meeting, index: usize) {
    let token = &meeting.tokens[index];
    let request = handshake(
        &meeting.websocket_url,
        meeting.format,
        token,
        Credential::Subprotocol,
    );
    let mut late = Socket::upgrade(request, meeting.format).await;
    late.expect_close(4001).await;
    meeting
        .http
        .post(&meeting.path("/token"), meeting.access(index), json!({}))
        .await
        .problem(401, "UNAUTHENTICATED");
}

async fn signing_out_closes_the_points_and_their_tokens_resume_nowhere(format: Format) {
    let (meeting, mut sockets) = Meeting::of(format, 3).await;
    meeting
        .http
        .call(
            Method::POST,
            "/v1/accounts/sign-out",
            Some(meeting.access(1)),
            None,
        )
        .await
        .ok(204);
    sockets[1].expect_close(4001).await;
    assert_shut_out(&meeting, 1).await;
    sockets[2]
        .acked(json!({"followOther": {"target": meeting.guests[0].id}}))
        .await;
}

async fn reuse_of_a_refresh_token_closes_the_points(format: Format) {
    let (meeting, mut sockets) = Meeting::of(format, 2).await;
    let refresh = async |token: &str| {
        let body = json!({"refreshToken": token});
        meeting
            .http
            .call(Method::POST, "/v1/accounts/refresh", None, Some(&body))
            .await
    };
    let Guest { refresh: first, .. } = &meeting.guests[1];
    let second = refresh(first).await.ok(200);
    refresh(second["refreshToken"].as_str().expect("a token"))
        .await
        .ok(200);
    refresh(first).await.problem(401, "UNAUTHENTICATED");
    sockets[1].expect_close(4001).await;
    assert_shut_out(&meeting, 1).await;
}

async fn another_password_closes_the_points_of_every_other_sign_in(format: Format) {
    let (mut meeting, mut sockets) = Meeting::with(format, 2, &QUICK, json!({})).await;
    let (old, new) = ("correct horse", "another horse");
    let account = json!({"username": "ann_1", "password": old});
    meeting
        .http
        .post("/v1/accounts", meeting.access(1), account)
        .await
        .ok(201);
    let here = meeting.http.sign_in("ann_1", old).await;
    let token = meeting
        .http
        .post(&meeting.path("/token"), &here.access, json!({}))
        .await
        .ok(200);
    meeting.tokens.push(
        token["sessionToken"]
            .as_str()
            .expect("a session token")
            .to_owned(),
    );
    let mut kept = meeting.connect(2).await;
    let change = json!({"oldPassword": old, "newPassword": new});
    meeting
        .http
        .post("/v1/accounts/me/password", &here.access, change)
        .await
        .ok(204);
    assert_eq!(sockets[1].close().await.0, 4001);
    assert_shut_out(&meeting, 1).await;
    kept.acked(json!({"followOther": {"target": meeting.guests[0].id}}))
        .await;
    meeting
        .http
        .get("/v1/accounts/me", &here.access)
        .await
        .ok(200);
}

async fn a_deleted_account_leaves_its_session(format: Format) {
    let (meeting, mut sockets) = Meeting::of(format, 2).await;
    meeting
        .http
        .delete("/v1/accounts/me", meeting.access(1))
        .await
        .ok(204);
    assert_eq!(sockets[1].close().await.0, 4001);
    // The loss of its point may be announced before it leaves.
    assert_eq!(
        sockets[0].until("httpQuit").await["httpQuit"],
        json!({"memberId": meeting.guests[1].id})
    );
    assert_shut_out(&meeting, 1).await;
}
