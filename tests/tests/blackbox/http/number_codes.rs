//! Number codes: joining, rotation, and the equal answers to codes that do not work.

use faceshare_tests::Format;
use faceshare_tests::http::{Answer, Guest, Http};
use faceshare_tests::meeting::Meeting;
use faceshare_tests::server::Server;
use faceshare_tests::shape::is_number_code;
use serde_json::{Value, json};

/// A well-formed code that is not among `used`.
fn unknown_code(used: &[&str]) -> &'static str {
    let codes = ["719428", "482917", "913746", "640291"];
    codes
        .into_iter()
        .find(|code| !used.contains(code))
        .expect("one is free")
}

async fn search(http: &Http, guest: &Guest, code: &str) -> Answer {
    http.post(
        "/v1/face-sessions/search",
        &guest.access,
        json!({"numberCode": code}),
    )
    .await
}

/// The whole answer without what differs by call.
fn told(answer: &Answer) -> Value {
    let mut problem = answer.problem(404, "NUMBER_CODE_NOT_JOINABLE");
    problem
        .as_object_mut()
        .expect("an object")
        .remove("requestId");
    problem
}

#[tokio::test]
async fn a_code_shows_and_opens_the_session() {
    let server = Server::start().await;
    let meeting = Meeting::created(server, Format::Json, json!({"title": "Review"})).await;
    let http = &meeting.http;
    let guest = http.guest("ben").await;
    let preview = search(http, &guest, &meeting.code).await.ok(200)["preview"].clone();
    assert_eq!(
        (
            &preview["title"],
            &preview["hostNickname"],
            &preview["admission"]
        ),
        (&json!("Review"), &json!("host"), &json!("OPEN"))
    );
    assert!(preview["memberCount"].is_u64(), "{preview}");

    let (head, tail) = meeting.code.split_at(3);
    let admitted = http
        .prejoin(&guest, &format!(" {head}-{tail} "))
        .await
        .ok(200);
    assert_eq!(admitted["status"], "ADMITTED");
    assert_eq!(admitted["faceSession"]["id"], json!(meeting.id));
    assert_eq!(admitted["websocketUrl"], json!(meeting.websocket_url));
    for name in ["sessionToken", "expiresAt", "seatExpiresAt"] {
        assert!(admitted[name].is_string(), "{name} in {admitted}");
    }
}

#[tokio::test]
async fn a_malformed_code_is_no_code() {
    let server = Server::start().await;
    let http = server.http();
    let guest = http.guest("ben").await;
    for bad in [
        json!("12345"),
        json!("1234567890123"),
        json!("71a428"),
        json!(""),
        json!(719_428),
        json!(null),
    ] {
        for path in ["/v1/face-sessions/search", "/v1/face-sessions/prejoin"] {
            http.post(path, &guest.access, json!({"numberCode": bad}))
                .await
                .invalid("numberCode");
        }
    }
    http.post("/v1/face-sessions/prejoin", &guest.access, json!({}))
        .await
        .problem(400, "INVALID_ARGUMENT");
}

#[tokio::test]
async fn every_reason_that_a_code_does_not_work_reads_alike() {
    let (meeting, _sockets) = Meeting::of(Format::Json, 2).await;
    let http = &meeting.http;
    let host = &meeting.guests[0];
    let stranger = http.guest("mallory").await;
    let unknown = told(
        &http
            .prejoin(&stranger, unknown_code(&[&meeting.code]))
            .await,
    );

    let rotated = http
        .post(&meeting.path("/number-code"), &host.access, json!({}))
        .await
        .ok(200);
    let code = rotated["numberCode"]["code"]
        .as_str()
        .expect("a code")
        .to_owned();
    assert_ne!(code, meeting.code);
    assert!(is_number_code(&code), "{code}");
    assert_eq!(
        told(&http.prejoin(&stranger, &meeting.code).await),
        unknown,
        "rotated"
    );
    assert_eq!(
        told(&search(http, &stranger, &meeting.code).await),
        unknown,
        "rotated, searched"
    );

    http.patch(&meeting.path(""), &host.access, json!({"maxMembers": 2}))
        .await
        .ok(200);
    assert_eq!(told(&http.prejoin(&stranger, &code).await), unknown, "full");
    http.patch(
        &meeting.path(""),
        &host.access,
        json!({"maxMembers": 5, "locked": true}),
    )
    .await
    .ok(200);
    assert_eq!(
        told(&http.prejoin(&stranger, &code).await),
        unknown,
        "locked"
    );
    http.patch(&meeting.path(""), &host.access, json!({"locked": false}))
        .await
        .ok(200);

    http.prejoin(&stranger, &code).await.ok(200);
    http.delete(
        &meeting.path(&format!("/members/{}", meeting.guests[1].id)),
        &host.access,
    )
    .await
    .ok(204);
    assert_eq!(
        told(&http.prejoin(&meeting.guests[1], &code).await),
        unknown,
        "removed"
    );
    http.post(&meeting.path("/end"), &host.access, json!({}))
        .await
        .ok(204);
    assert_eq!(
        told(&http.prejoin(&stranger, &code).await),
        unknown,
        "ended"
    );
}

#[tokio::test]
async fn the_host_hears_that_the_code_has_expired() {
    let settings = [("number_code.lifetime", "1s")];
    let (meeting, mut sockets) = Meeting::with(Format::Json, 1, &settings, json!({})).await;
    let path = meeting.path("/number-code");
    let rotated = meeting.http.post(&path, meeting.access(0), json!({})).await;
    rotated.ok(200);
    let mut told = async || {
        sockets[0]
            .until_matching(|frame| frame.get("numberCodeChange").is_some())
            .await["numberCodeChange"]
            .clone()
    };
    let mut last = told().await;
    if last == json!({}) {
        // The first code expired before it was replaced.
        last = told().await;
    }
    assert!(last["expiresAt"].is_string(), "{last}");
    assert_eq!(told().await, json!({}), "there is no code now");
    meeting
        .http
        .get(&path, meeting.access(0))
        .await
        .problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn members_see_the_code_and_the_host_alone_rotates_it() {
    let (meeting, mut sockets) = Meeting::of(Format::Json, 2).await;
    let path = meeting.path("/number-code");
    let shown = meeting.http.get(&path, meeting.access(1)).await.ok(200);
    assert_eq!(shown["numberCode"]["code"], json!(meeting.code));
    meeting
        .http
        .post(&path, meeting.access(1), json!({}))
        .await
        .problem(403, "FORBIDDEN");
    let rotated = meeting
        .http
        .post(&path, meeting.access(0), json!({}))
        .await
        .ok(200);
    let told = sockets[0]
        .until_matching(|frame| frame.get("numberCodeChange").is_some())
        .await;
    assert_eq!(
        told["numberCodeChange"]["expiresAt"],
        rotated["numberCode"]["expiresAt"]
    );
    let code = rotated["numberCode"]["code"].as_str().expect("a code");
    assert!(
        !told.to_string().contains(code),
        "the code never travels in the stream"
    );
    assert_eq!(
        meeting.http.get(&path, meeting.access(1)).await.ok(200)["numberCode"],
        rotated["numberCode"]
    );
}

#[tokio::test]
async fn codes_never_reach_the_log() {
    let (mut meeting, _sockets) =
        Meeting::with(Format::Json, 2, &[("log.level", "debug")], json!({})).await;
    meeting.server.terminate().await;
    meeting.server.exit().await;
    let log = meeting.server.log().lines().join("\n");
    assert!(
        !log.contains(&meeting.code),
        "the number code is in the log"
    );
    for token in meeting
        .tokens
        .iter()
        .chain(meeting.guests.iter().map(|guest| &guest.access))
    {
        assert!(!log.contains(token.as_str()), "a token is in the log");
    }
}

#[tokio::test]
async fn of_two_who_prejoin_for_the_last_seat_one_gets_it() {
    let server = Server::start().await;
    let http = server.http();
    let (host, ben, cid) = (
        http.guest("host").await,
        http.guest("ben").await,
        http.guest("cid").await,
    );
    // Fewer callers are refused than an address has wrong guesses.
    for _ in 0..8 {
        let opened = http.create(&host, json!({"maxMembers": 2})).await;
        let code = opened["numberCode"]["code"].as_str().expect("a code");
        let (one, two) = tokio::join!(http.prejoin(&ben, code), http.prejoin(&cid, code));
        let (winner, loser) = if one.status == 200 {
            (one, two)
        } else {
            (two, one)
        };
        assert_eq!(winner.ok(200)["status"], "ADMITTED");
        loser.problem(404, "NUMBER_CODE_NOT_JOINABLE");
        let id = opened["faceSession"]["id"].as_str().expect("an id");
        http.post(
            &format!("/v1/face-sessions/{id}/end"),
            &host.access,
            json!({}),
        )
        .await
        .ok(204);
    }
}
