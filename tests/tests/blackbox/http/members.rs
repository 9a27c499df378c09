//! Members over HTTP: list, rejoin, quit and remove.

use faceshare_tests::Format;
use faceshare_tests::meeting::Meeting;
use faceshare_tests::socket::{Credential, Socket, handshake};
use serde_json::{Value, json};

#[tokio::test]
async fn members_are_listed_with_their_points() {
    let (meeting, _sockets) = Meeting::of(Format::Json, 2).await;
    let list = meeting
        .http
        .get(&meeting.path("/members"), meeting.access(1))
        .await
        .ok(200);
    let members = list["members"].as_array().expect("members");
    let told: Vec<_> = members
        .iter()
        .map(|member| {
            (
                &member["memberId"],
                &member["nickname"],
                &member["role"],
                &member["online"],
            )
        })
        .collect();
    let (host, guest) = (json!(meeting.guests[0].id), json!(meeting.guests[1].id));
    assert_eq!(
        told[0],
        (&host, &json!("host"), &json!("HOST"), &json!(true))
    );
    assert_eq!(
        told[1],
        (&guest, &json!("guest 1"), &json!("GUEST"), &json!(true))
    );
    assert_eq!(
        members[1]["points"][0]["device"],
        json!({"name": "guest 1's laptop", "kind": "laptop"})
    );
    assert!(members[1]["joinedAt"].is_string());
}

#[tokio::test]
async fn a_session_token_is_renewed_for_its_point_or_mints_another() {
    let (meeting, mut sockets) = Meeting::of(Format::Json, 2).await;
    let path = meeting.path("/token");
    let point = sockets[1].welcome["self"]["pointId"].clone();
    let renewed = meeting
        .http
        .post(&path, meeting.access(1), json!({"pointId": point}))
        .await
        .ok(200);
    assert!(
        renewed["expiresIn"]
            .as_u64()
            .is_some_and(|seconds| (3500..=3600).contains(&seconds)),
        "{renewed}"
    );
    assert!(
        renewed["expiresAt"].is_string() && renewed["websocketUrl"] == json!(meeting.websocket_url),
        "{renewed}"
    );

    let token = |answer: &Value| answer["sessionToken"].as_str().expect("a token").to_owned();
    let again = Socket::connect(&meeting.websocket_url, Format::Json, &token(&renewed)).await;
    assert_eq!(again.welcome["self"]["pointId"], point, "the same point");
    sockets[1].expect_close(4009).await;

    let minted = meeting
        .http
        .post(&path, meeting.access(1), json!({}))
        .await
        .ok(200);
    let second = Socket::connect(&meeting.websocket_url, Format::Json, &token(&minted)).await;
    assert_ne!(
        second.welcome["self"]["pointId"], point,
        "a point of its own"
    );
    assert_eq!(second.member(), again.member());
    let changed = sockets[0].expect("memberChange").await;
    assert_eq!(
        changed["memberChange"]["member"]["points"]
            .as_array()
            .map(Vec::len),
        Some(2),
        "{changed}"
    );
}

#[tokio::test]
async fn leaving_over_http_is_told_and_the_way_back_is_open() {
    let (mut meeting, mut sockets) = Meeting::of(Format::Json, 2).await;
    meeting
        .http
        .post(&meeting.path("/quit"), meeting.access(1), json!({}))
        .await
        .ok(204);
    let told = sockets[0].expect("httpQuit").await;
    assert_eq!(told["httpQuit"]["memberId"], json!(meeting.guests[1].id));
    let (code, _) = sockets[1].close().await;
    assert_eq!(code, 1000);

    let back = meeting
        .http
        .post(&meeting.path("/token"), meeting.access(1), json!({}))
        .await
        .ok(200);
    meeting.tokens[1] = back["sessionToken"].as_str().expect("a token").to_owned();
    let again = meeting.connect(1).await;
    let joined = sockets[0].until("memberJoin").await;
    assert_eq!(
        joined["memberJoin"]["member"]["memberId"],
        json!(again.member())
    );
}

#[tokio::test]
async fn a_removed_member_is_told_and_stays_out() {
    let (meeting, mut sockets) = Meeting::of(Format::Json, 3).await;
    let http = &meeting.http;
    let removed = meeting.path(&format!("/members/{}", meeting.guests[2].id));
    http.delete(&removed, meeting.access(1))
        .await
        .problem(403, "FORBIDDEN");
    http.delete(&meeting.path("/members/12345"), meeting.access(0))
        .await
        .problem(404, "NOT_FOUND");
    http.delete(&removed, meeting.access(0)).await.ok(204);

    let expected = json!({"memberId": meeting.guests[2].id, "reason": "REMOVED"});
    assert_eq!(sockets[1].expect("quit").await["quit"], expected);
    let (code, _) = sockets[2].close().await;
    assert_eq!(code, 4003);

    http.post(&meeting.path("/token"), meeting.access(2), json!({}))
        .await
        .problem(403, "FORBIDDEN");
    http.prejoin(&meeting.guests[2], &meeting.code)
        .await
        .problem(404, "NUMBER_CODE_NOT_JOINABLE");
    let request = handshake(
        &meeting.websocket_url,
        Format::Json,
        &meeting.tokens[2],
        Credential::Subprotocol,
    );
    Socket::upgrade(request, Format::Json)
        .await
        .expect_close(4003)
        .await;
    let list = http
        .get(&meeting.path("/members"), meeting.access(0))
        .await
        .ok(200);
    assert_eq!(list["members"].as_array().map(Vec::len), Some(2), "{list}");
}
