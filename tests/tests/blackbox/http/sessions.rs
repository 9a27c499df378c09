//! Face sessions: create, get, patch, list and end.

use faceshare_tests::Format;
use faceshare_tests::meeting::Meeting;
use faceshare_tests::server::Server;
use faceshare_tests::shape::{is_id, is_number_code};
use serde_json::{Value, json};

#[tokio::test]
async fn a_created_session_has_every_field_and_its_defaults() {
    let server = Server::start().await;
    let http = server.http();
    let host = http.guest("ann").await;
    let created = http
        .create(
            &host,
            json!({"title": " Plan\u{0065}\u{301} ", "unknown": [1]}),
        )
        .await;
    let session = &created["faceSession"];
    assert!(is_id(session["id"].as_str().expect("an id")), "{session}");
    assert_eq!(session["title"], "Plané");
    assert_eq!(session["hostId"], json!(host.id));
    assert_eq!(
        (&session["status"], &session["admission"]),
        (&json!("ACTIVE"), &json!("OPEN"))
    );
    assert_eq!(
        (&session["hostLeft"], &session["maxMembers"]),
        (&json!("COUNTDOWN"), &json!(500))
    );
    assert!(
        session["createdAt"].is_string() && session.get("endedAt").is_none_or(Value::is_null),
        "{session}"
    );
    for flag in ["locked", "admissionForced"] {
        assert!(
            !session[flag].as_bool().unwrap_or_default(),
            "{flag} in {session}"
        );
    }
    assert!(
        is_number_code(created["numberCode"]["code"].as_str().expect("a code")),
        "{created}"
    );
    assert!(
        created["numberCode"]["expiresAt"].is_string() && created["expiresAt"].is_string(),
        "{created}"
    );
    let port = server.url().replace("http://", "");
    assert_eq!(
        created["websocketUrl"],
        format!("ws://{port}/v1/instructions")
    );

    let path = format!(
        "/v1/face-sessions/{}",
        session["id"].as_str().expect("an id")
    );
    let read = http.get(&path, &host.access).await.ok(200);
    assert_eq!(read["faceSession"]["id"], session["id"]);
    assert_eq!(read["faceSession"]["title"], "Plané");
}

#[tokio::test]
async fn bad_input_is_refused_with_the_path_of_the_field() {
    let server = Server::start().await;
    let http = server.http();
    let host = http.guest("ann").await;
    for (body, path) in [
        (json!({"title": "é".repeat(101)}), "title"),
        (json!({"title": 5}), "title"),
        (json!({"admission": "MAYBE"}), "admission"),
        (json!({"maxMembers": 0}), "maxMembers"),
        (json!({"maxMembers": 501}), "maxMembers"),
        (json!({"maxMembers": -1}), "maxMembers"),
        (json!({"maxMembers": "ten"}), "maxMembers"),
        (json!({"hostLeft": 1}), "hostLeft"),
        (json!({"autoEndAfter": "soon"}), "autoEndAfter"),
    ] {
        http.post("/v1/face-sessions", &host.access, body)
            .await
            .invalid(path);
    }
    http.create(&host, json!({"title": "é".repeat(100), "maxMembers": 500, "admission": "OPEN", "hostLeft": "PROMOTE"})).await;
}

#[tokio::test]
async fn the_host_changes_a_session_and_all_are_told() {
    let (meeting, mut sockets) = Meeting::of(Format::Json, 2).await;
    let change =
        json!({"title": "Second round", "maxMembers": 12, "hostLeft": "PROMOTE", "locked": true});
    let changed = meeting
        .http
        .patch(&meeting.path(""), meeting.access(0), change)
        .await
        .ok(200);
    for session in [
        &changed["faceSession"],
        &sockets[1].expect("sessionChange").await["sessionChange"]["faceSession"],
    ] {
        assert_eq!(
            (&session["title"], &session["maxMembers"]),
            (&json!("Second round"), &json!(12))
        );
        assert_eq!(
            (&session["hostLeft"], &session["locked"]),
            (&json!("PROMOTE"), &json!(true))
        );
    }
    sockets[0].expect("sessionChange").await;

    meeting
        .http
        .patch(
            &meeting.path(""),
            meeting.access(1),
            json!({"title": "mine"}),
        )
        .await
        .problem(403, "FORBIDDEN");
    for (body, path) in [
        (json!({"title": [1]}), "title"),
        (json!({"admission": "MAYBE"}), "admission"),
        (json!({"maxMembers": 501}), "maxMembers"),
    ] {
        meeting
            .http
            .patch(&meeting.path(""), meeting.access(0), body)
            .await
            .invalid(path);
    }
    let read = meeting
        .http
        .get(&meeting.path(""), meeting.access(1))
        .await
        .ok(200);
    assert_eq!(read["faceSession"]["title"], "Second round");
}

#[tokio::test]
async fn a_caller_that_is_not_a_member_gets_not_found() {
    let (meeting, _sockets) = Meeting::of(Format::Json, 1).await;
    let stranger = meeting.http.guest("mallory").await;
    for path in ["", "/members", "/number-code", "/invoke-link"] {
        meeting
            .http
            .get(&meeting.path(path), &stranger.access)
            .await
            .problem(404, "NOT_FOUND");
    }
    for path in ["/token", "/quit", "/end", "/number-code", "/invoke-link"] {
        meeting
            .http
            .post(&meeting.path(path), &stranger.access, json!({}))
            .await
            .problem(404, "NOT_FOUND");
    }
    meeting
        .http
        .patch(&meeting.path(""), &stranger.access, json!({"title": "x"}))
        .await
        .problem(404, "NOT_FOUND");
    let member = meeting.path(&format!("/members/{}", meeting.guests[0].id));
    meeting
        .http
        .delete(&member, &stranger.access)
        .await
        .problem(404, "NOT_FOUND");
    for id in ["1", "999999999999999999", "abc", "99999999999999999999999"] {
        let answer = meeting
            .http
            .get(&format!("/v1/face-sessions/{id}"), &stranger.access)
            .await;
        assert!(matches!(answer.status, 400 | 404), "{answer:?}");
    }
}

#[tokio::test]
async fn own_sessions_are_listed_newest_first_page_by_page() {
    let server = Server::start().await;
    let http = server.http();
    let host = http.guest("ann").await;
    let other = http.guest("ben").await;
    http.create(&other, json!({"title": "not mine"})).await;
    for number in 1..=5 {
        http.create(&host, json!({"title": format!("{number}")}))
            .await;
    }
    let mut titles = Vec::new();
    let mut token = String::new();
    for page in 0..3 {
        let path = format!("/v1/face-sessions?pageSize=2{token}");
        let list = http.get(&path, &host.access).await.ok(200);
        titles.extend(
            list["faceSessions"]
                .as_array()
                .expect("faceSessions")
                .iter()
                .map(|session| session["title"].clone()),
        );
        let next = list["nextPageToken"].as_str().unwrap_or_default();
        assert_eq!(next.is_empty(), page == 2, "{list}");
        token = format!("&pageToken={next}");
    }
    assert_eq!(titles, ["5", "4", "3", "2", "1"]);
    http.get("/v1/face-sessions?pageToken=rubbish", &host.access)
        .await
        .invalid("pageToken");
    for bad in ["0", "201", "-1", "many"] {
        http.get(&format!("/v1/face-sessions?pageSize={bad}"), &host.access)
            .await
            .invalid("pageSize");
    }
}

#[tokio::test]
async fn ending_is_the_hosts_and_final() {
    let (meeting, mut sockets) = Meeting::of(Format::Json, 2).await;
    let http = &meeting.http;
    http.post(&meeting.path("/end"), meeting.access(1), json!({}))
        .await
        .problem(403, "FORBIDDEN");
    http.post(&meeting.path("/end"), meeting.access(0), json!({}))
        .await
        .ok(204);
    for socket in &mut sockets {
        let (code, frames) = socket.close().await;
        assert_eq!(code, 4010);
        assert_eq!(
            frames.last().expect("a last frame")["sessEnd"]["reason"],
            "HOST_ENDED"
        );
    }
    let ended = http.get(&meeting.path(""), meeting.access(1)).await.ok(200);
    assert_eq!(
        (
            &ended["faceSession"]["status"],
            &ended["faceSession"]["endReason"]
        ),
        (&json!("ENDED"), &json!("HOST_ENDED"))
    );
    assert!(ended["faceSession"]["endedAt"].is_string());
    http.patch(
        &meeting.path(""),
        meeting.access(0),
        json!({"title": "late"}),
    )
    .await
    .problem(410, "SESSION_ENDED");
    for path in ["/token", "/number-code", "/invoke-link"] {
        http.post(&meeting.path(path), meeting.access(0), json!({}))
            .await
            .problem(410, "SESSION_ENDED");
    }
    http.get(&meeting.path("/number-code"), meeting.access(0))
        .await
        .problem(404, "NOT_FOUND");
}
