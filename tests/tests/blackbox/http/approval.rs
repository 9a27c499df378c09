//! Joining with the host's approval.

use faceshare_tests::http::{Answer, Guest, send};
use faceshare_tests::meeting::Meeting;
use faceshare_tests::server::Server;
use faceshare_tests::socket::Socket;
use faceshare_tests::{Format, in_both_formats};
use futures_util::future::{Either, select};
use reqwest::Method;
use serde_json::{Value, json};

/// A session that needs approval, with its host connected.
async fn guarded(format: Format, settings: &[(&str, &str)]) -> (Meeting, Socket) {
    let (meeting, mut sockets) = Meeting::with(
        format,
        1,
        settings,
        json!({"admission": "APPROVAL", "title": "Review"}),
    )
    .await;
    (meeting, sockets.remove(0))
}

async fn wait(meeting: &Meeting, guest: &Guest, token: &Value) -> Answer {
    meeting
        .http
        .post(
            "/v1/face-sessions/wait",
            &guest.access,
            json!({"waitToken": token}),
        )
        .await
}

/// A new guest knocks. Returns the guest and its wait token.
async fn knock(meeting: &Meeting, nickname: &str) -> (Guest, Value) {
    let guest = meeting.http.guest(nickname).await;
    let waiting = meeting.http.prejoin(&guest, &meeting.code).await.ok(202);
    assert_eq!(waiting["status"], "WAITING");
    assert!(
        waiting["expiresAt"].is_string() && waiting["sessionToken"].is_null(),
        "{waiting}"
    );
    (guest, waiting["waitToken"].clone())
}

/// Waits for the next `memberKnock`, which must have this state. Returns its id.
async fn told(host: &mut Socket, nickname: &str, state: &str) -> Value {
    let knock = host.expect("memberKnock").await["memberKnock"].take();
    assert_eq!(
        (&knock["nickname"], &knock["state"]),
        (&json!(nickname), &json!(state)),
        "{knock}"
    );
    assert_eq!(knock["device"]["kind"], "laptop", "{knock}");
    knock["knockId"].clone()
}

async fn a_member_admitted_in_the_stream_joins(format: Format) {
    let (mut meeting, mut host) = guarded(format, &[]).await;
    let preview = meeting.http.guest("eve").await;
    let search = json!({"numberCode": meeting.code});
    let seen = meeting
        .http
        .post("/v1/face-sessions/search", &preview.access, search)
        .await
        .ok(200);
    assert_eq!(seen["preview"]["admission"], "APPROVAL");

    let (guest, token) = knock(&meeting, "ben").await;
    let id = told(&mut host, "ben", "WAITING").await;
    let (answer, answered) = tokio::join!(
        wait(&meeting, &guest, &token),
        host.ask(json!({"admit": {"knockId": id}}))
    );
    assert_eq!(
        answered.answer["ack"]["seq"], host.seq,
        "it is no ordered frame: {answered:?}"
    );
    assert_eq!(
        answered.before[0]["memberKnock"]["state"], "ADMITTED",
        "{answered:?}"
    );
    let admitted = answer.ok(200);
    assert_eq!(
        (&admitted["status"], &admitted["faceSession"]["id"]),
        (&json!("ADMITTED"), &json!(meeting.id))
    );
    meeting.tokens.push(
        admitted["sessionToken"]
            .as_str()
            .expect("a session token")
            .to_owned(),
    );
    meeting.guests.push(guest);
    let newcomer = meeting.connect(1).await;
    assert_eq!(
        host.expect("memberJoin").await["memberJoin"]["member"]["memberId"],
        newcomer.member()
    );

    let again = host.ask(json!({"deny": {"knockId": id}})).await;
    assert_eq!(again.answer["nack"]["code"], "CONFLICT");
    let unknown = host.ask(json!({"admit": {"knockId": "5"}})).await;
    assert_eq!(unknown.answer["nack"]["code"], "NOT_FOUND");
}

async fn a_host_that_reconnects_sees_who_waits(format: Format) {
    let (meeting, mut host) = guarded(format, &[]).await;
    knock(&meeting, "ben").await;
    let id = told(&mut host, "ben", "WAITING").await;
    let (epoch, seq) = (
        host.welcome["epoch"].as_str().expect("an epoch").to_owned(),
        host.seq,
    );
    let mut resumed = meeting.resume(0, &epoch, seq).await;
    assert_eq!(told(&mut resumed, "ben", "WAITING").await, id);
    let answered = resumed.ask(json!({"deny": {"knockId": id}})).await;
    assert!(answered.answer["ack"].is_object(), "{answered:?}");
    let mut reconnected = meeting.connect(0).await;
    // The knock is answered, so it is not announced again.
    let after = reconnected.ask(json!({"cancelFollow": {}})).await;
    assert!(
        after
            .before
            .iter()
            .all(|frame| frame["memberKnock"].is_null()),
        "{after:?}"
    );
}

async fn a_new_host_sees_who_waits_and_lets_them_in(format: Format) {
    let (mut meeting, mut sockets) =
        Meeting::with(format, 2, &[], json!({"hostLeft": "PROMOTE"})).await;
    meeting
        .http
        .patch(
            &meeting.path(""),
            meeting.access(0),
            json!({"admission": "APPROVAL"}),
        )
        .await
        .ok(200);
    for socket in &mut sockets {
        socket.expect("sessionChange").await;
    }
    let (mut host, mut heir) = (sockets.remove(0), sockets.remove(0));
    let (guest, token) = knock(&meeting, "ben").await;
    let id = told(&mut host, "ben", "WAITING").await;
    heir.refused(json!({"admit": {"knockId": id}}), "FORBIDDEN")
        .await;

    host.ask(json!({"quit": {}})).await.ack();
    for name in ["quit", "sessionChange", "memberChange"] {
        heir.expect(name).await;
    }
    assert_eq!(told(&mut heir, "ben", "WAITING").await, id);
    let admitted = heir.ask(json!({"admit": {"knockId": id}})).await;
    assert_eq!(
        admitted.before[0]["memberKnock"]["state"], "ADMITTED",
        "{admitted:?}"
    );
    let answer = wait(&meeting, &guest, &token).await.ok(200);
    assert_eq!(answer["status"], "ADMITTED");
    meeting.tokens.push(
        answer["sessionToken"]
            .as_str()
            .expect("a session token")
            .to_owned(),
    );
    meeting.guests.push(guest);
    let newcomer = meeting.connect(2).await;
    assert_eq!(
        heir.expect("memberJoin").await["memberJoin"]["member"]["memberId"],
        newcomer.member()
    );
}

in_both_formats!(
    a_member_admitted_in_the_stream_joins,
    a_host_that_reconnects_sees_who_waits,
    a_new_host_sees_who_waits_and_lets_them_in,
);

#[tokio::test]
async fn a_deleted_account_stops_waiting_and_is_refused() {
    let (meeting, mut host) = guarded(Format::Json, &[]).await;
    let (ben, token) = knock(&meeting, "ben").await;
    let id = told(&mut host, "ben", "WAITING").await;
    let (waited, deleted) = tokio::join!(
        wait(&meeting, &ben, &token),
        meeting.http.delete("/v1/accounts/me", &ben.access)
    );
    deleted.ok(204);
    waited.problem(401, "UNAUTHENTICATED");
    assert_eq!(told(&mut host, "ben", "EXPIRED").await, id);
    let knocks = meeting
        .http
        .get(&meeting.path("/knocks"), meeting.access(0))
        .await
        .ok(200);
    assert_eq!(knocks["knocks"], json!([]));
    host.refused(json!({"admit": {"knockId": id}}), "CONFLICT")
        .await;
}

#[tokio::test]
async fn over_http_the_host_alone_sees_and_answers() {
    let (mut meeting, mut host) = guarded(Format::Json, &[]).await;
    let (ben, ben_waits) = knock(&meeting, "ben").await;
    told(&mut host, "ben", "WAITING").await;
    let http = &meeting.http;
    let path = meeting.path("/knocks");
    http.get(&path, &ben.access).await.problem(404, "NOT_FOUND");
    let knocks = http.get(&path, meeting.access(0)).await.ok(200);
    let id = knocks["knocks"][0]["knockId"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert_eq!(
        (
            &knocks["knocks"][0]["nickname"],
            &knocks["knocks"][0]["state"]
        ),
        (&json!("ben"), &json!("WAITING"))
    );
    let knocks_path = path.clone();
    let answer = |id: &str, word: &str| format!("{knocks_path}/{id}/{word}");
    http.post(&answer(&id, "admit"), &ben.access, json!({}))
        .await
        .problem(404, "NOT_FOUND");
    http.post(&answer(&id, "admit"), meeting.access(0), json!({}))
        .await
        .ok(204);
    told(&mut host, "ben", "ADMITTED").await;
    http.post(&answer(&id, "deny"), meeting.access(0), json!({}))
        .await
        .problem(409, "CONFLICT");
    http.post(&answer("77", "deny"), meeting.access(0), json!({}))
        .await
        .problem(404, "NOT_FOUND");
    let admitted = wait(&meeting, &ben, &ben_waits).await.ok(200);
    meeting.tokens.push(
        admitted["sessionToken"]
            .as_str()
            .expect("a session token")
            .to_owned(),
    );
    meeting.guests.push(ben);
    let http = &meeting.http;
    http.get(&path, meeting.access(1))
        .await
        .problem(403, "FORBIDDEN");
    http.post(&answer(&id, "admit"), meeting.access(1), json!({}))
        .await
        .problem(403, "FORBIDDEN");
    assert_eq!(
        http.get(&path, meeting.access(0)).await.ok(200)["knocks"],
        json!([])
    );
    // An admitted person needs no second approval.
    http.post(&meeting.path("/quit"), meeting.access(1), json!({}))
        .await
        .ok(204);
    http.prejoin(&meeting.guests[1], &meeting.code)
        .await
        .ok(200);
}

#[tokio::test]
async fn a_denied_person_is_told_and_stays_out() {
    let (meeting, mut host) = guarded(Format::Json, &[]).await;
    let (ben, token) = knock(&meeting, "ben").await;
    let id = told(&mut host, "ben", "WAITING").await;
    let deny = meeting.path(&format!("/knocks/{}/deny", id.as_str().expect("an id")));
    let (answer, denied) = tokio::join!(
        wait(&meeting, &ben, &token),
        meeting.http.post(&deny, meeting.access(0), json!({}))
    );
    denied.ok(204);
    assert_eq!(answer.ok(200), json!({"status": "DENIED"}));
    told(&mut host, "ben", "DENIED").await;
    meeting
        .http
        .prejoin(&ben, &meeting.code)
        .await
        .problem(404, "NUMBER_CODE_NOT_JOINABLE");
    meeting
        .http
        .post(&meeting.path("/token"), &ben.access, json!({}))
        .await
        .problem(404, "NOT_FOUND");
    assert_eq!(
        wait(&meeting, &ben, &token).await.ok(200),
        json!({"status": "DENIED"}),
        "told as often as asked"
    );
}

#[tokio::test]
async fn an_unanswered_knock_expires_and_may_be_repeated() {
    let (meeting, mut host) = guarded(Format::Json, &[("auth.wait_ttl", "2s")]).await;
    let (ben, token) = knock(&meeting, "ben").await;
    told(&mut host, "ben", "WAITING").await;
    let other = meeting.http.guest("eve").await;
    wait(&meeting, &other, &token).await.invalid("waitToken");
    assert_eq!(
        wait(&meeting, &ben, &token).await.ok(200),
        json!({"status": "EXPIRED"})
    );
    told(&mut host, "ben", "EXPIRED").await;
    meeting.http.prejoin(&ben, &meeting.code).await.ok(202);
    told(&mut host, "ben", "WAITING").await;
}

#[tokio::test]
async fn knocks_are_limited_for_each_session() {
    let (meeting, _host) = guarded(Format::Json, &[]).await;
    let mut waiting = Vec::new();
    for nickname in ["ben", "cleo", "dan"] {
        waiting.push(knock(&meeting, nickname).await);
    }
    let late = meeting.http.guest("eve").await;
    meeting
        .http
        .prejoin(&late, &meeting.code)
        .await
        .problem(422, "LIMIT_EXCEEDED");
    let again = meeting
        .http
        .prejoin(&waiting[0].0, &meeting.code)
        .await
        .ok(202);
    assert!(
        again["waitToken"].is_string(),
        "who waits goes on waiting: {again}"
    );
    assert_eq!(
        meeting
            .http
            .get(&meeting.path("/knocks"), meeting.access(0))
            .await
            .ok(200)["knocks"]
            .as_array()
            .map(Vec::len),
        Some(3)
    );
}

#[tokio::test]
async fn fifty_may_wait_at_one_session_whatever_their_addresses() {
    let (meeting, _host) = guarded(Format::Json, &[("limits.knocks_per_address", "1000")]).await;
    for index in 0..50 {
        knock(&meeting, &format!("guest {index}")).await;
    }
    let late = meeting.http.guest("late").await;
    meeting
        .http
        .prejoin(&late, &meeting.code)
        .await
        .problem(422, "LIMIT_EXCEEDED");
    let knocks = meeting
        .http
        .get(&meeting.path("/knocks"), meeting.access(0))
        .await
        .ok(200);
    assert_eq!(knocks["knocks"].as_array().map(Vec::len), Some(50));
    let first = knocks["knocks"][0]["knockId"].as_str().expect("an id");
    meeting
        .http
        .post(
            &meeting.path(&format!("/knocks/{first}/admit")),
            meeting.access(0),
            json!({}),
        )
        .await
        .ok(204);
    meeting.http.prejoin(&late, &meeting.code).await.ok(202);
}

#[tokio::test]
async fn an_invite_asks_the_host_only_where_the_host_said_so() {
    let (meeting, mut host) = guarded(Format::Json, &[]).await;
    let http = &meeting.http;
    let path = meeting.path("/invoke-link");
    let join = |guest: Guest, link: Value| async move {
        http.post(
            "/v1/face-sessions/prejoin",
            &guest.access,
            json!({"inviteToken": link["inviteToken"]}),
        )
        .await
    };
    let open = http.post(&path, meeting.access(0), json!({})).await.ok(200);
    join(http.guest("ben").await, open).await.ok(200);
    let asking = http
        .post(&path, meeting.access(0), json!({"approval": true}))
        .await
        .ok(200);
    join(http.guest("cleo").await, asking).await.ok(202);
    assert_eq!(
        host.expect("memberKnock").await["memberKnock"]["nickname"],
        "cleo"
    );
}

#[tokio::test]
async fn the_host_opens_and_closes_the_door_for_all_to_see() {
    let (mut meeting, mut sockets) = Meeting::of(Format::Json, 2).await;
    meeting
        .http
        .patch(
            &meeting.path(""),
            meeting.access(0),
            json!({"admission": "APPROVAL"}),
        )
        .await
        .ok(200);
    for socket in &mut sockets {
        assert_eq!(
            socket.expect("sessionChange").await["sessionChange"]["faceSession"]["admission"],
            "APPROVAL"
        );
    }
    knock(&meeting, "ben").await;
    meeting
        .http
        .patch(
            &meeting.path(""),
            meeting.access(0),
            json!({"admission": "OPEN"}),
        )
        .await
        .ok(200);
    meeting.admit("cleo").await;
}

#[tokio::test]
async fn a_restart_keeps_knocks_and_answers_waiting_calls() {
    let (mut meeting, mut host) = guarded(Format::Json, &[]).await;
    let (ben, token) = knock(&meeting, "ben").await;
    let id = told(&mut host, "ben", "WAITING").await;
    // A waiting call does not delay the shutdown of the server.
    let asking = tokio::spawn({
        let (http, access, token) = (meeting.http.clone(), ben.access.clone(), token.clone());
        async move {
            http.post(
                "/v1/face-sessions/wait",
                &access,
                json!({"waitToken": token}),
            )
            .await
        }
    });
    let (other, other_token) = knock(&meeting, "cleo").await;
    told(&mut host, "cleo", "WAITING").await;
    meeting.server.terminate().await;
    asking.await.expect("answered").problem(503, "UNAVAILABLE");
    assert!(meeting.server.exit().await.success());
    meeting.server.restart().await;
    let server: &Server = &meeting.server;
    meeting.http = server.http();
    let admit = meeting.path(&format!("/knocks/{}/admit", id.as_str().expect("an id")));
    meeting
        .http
        .post(&admit, meeting.access(0), json!({}))
        .await
        .ok(204);
    assert_eq!(
        wait(&meeting, &ben, &token).await.ok(200)["status"],
        "ADMITTED"
    );
    meeting
        .http
        .post(&meeting.path("/end"), meeting.access(0), json!({}))
        .await
        .ok(204);
    assert_eq!(
        wait(&meeting, &other, &other_token).await.ok(200),
        json!({"status": "ENDED"})
    );
}

#[tokio::test]
async fn a_waiting_call_with_a_key_is_answered_again_each_time() {
    let (meeting, mut host) = guarded(Format::Json, &[]).await;
    let (guest, token) = knock(&meeting, "ben").await;
    let id = told(&mut host, "ben", "WAITING").await;
    let ask = || {
        let request = meeting
            .http
            .request(Method::POST, "/v1/face-sessions/wait")
            .bearer_auth(&guest.access);
        Box::pin(send(
            request
                .header("idempotency-key", "one")
                .json(&json!({"waitToken": token})),
        ))
    };
    // Of two waiting calls the later one stays open.
    let (Either::Left((early, held)) | Either::Right((early, held))) = select(ask(), ask()).await;
    early.ok(202);
    let (answer, _) = tokio::join!(held, host.ask(json!({"admit": {"knockId": id}})));
    let again = ask().await;
    for answer in [&answer, &again] {
        assert_eq!(answer.header("idempotency-replayed"), "", "{answer:?}");
        assert_eq!(answer.ok(200)["status"], "ADMITTED");
    }
}
