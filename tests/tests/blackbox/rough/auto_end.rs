//! Sessions that end by themselves.

use faceshare_tests::meeting::Meeting;
use faceshare_tests::server::Server;
use faceshare_tests::socket::{Credential, Event, Socket, handshake, name, resume, seq};
use faceshare_tests::{DEADLINE, Format, in_both_formats};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{interval, timeout};

in_both_formats!(
    a_leaving_host_starts_a_countdown_and_a_returning_host_cancels_it,
    a_session_whose_host_stays_away_ends,
    a_countdown_goes_on_after_a_kill_and_fires_once,
    the_longest_present_member_takes_over,
);

/// The host leaves. The other members receive that and the frame that follows, which is returned.
async fn host_quits(sockets: &mut Vec<Socket>) -> Value {
    let mut host = sockets.remove(0);
    host.ask(json!({"quit": {}})).await.ack();
    host.close().await;
    let mut told = Value::Null;
    for socket in sockets {
        assert_eq!(
            socket.expect("quit").await["quit"],
            json!({"memberId": host.member(), "reason": "LEFT"})
        );
        told = socket.next().await;
    }
    told
}

async fn a_leaving_host_starts_a_countdown_and_a_returning_host_cancels_it(format: Format) {
    let (meeting, mut sockets) = Meeting::of(format, 3).await;
    let told = host_quits(&mut sockets).await;
    assert_eq!(told["sessionAutoEnd"]["reason"], "HOST_LEFT", "{told}");
    assert!(
        told["sessionAutoEnd"]["endsAt"].as_str() > told["at"].as_str(),
        "{told}"
    );
    let late = meeting.connect(1).await;
    assert_eq!(
        late.welcome["snapshot"]["autoEnd"], told["sessionAutoEnd"],
        "who comes later is told too"
    );
    sockets[0].expect_close(4009).await;
    sockets[0] = late;
    sockets[1]
        .refused(json!({"cancelAutoEnd": {}}), "FORBIDDEN")
        .await;

    let minted = meeting
        .http
        .post(&meeting.path("/token"), meeting.access(0), json!({}))
        .await
        .ok(200);
    let host = Socket::connect(
        &meeting.websocket_url,
        format,
        minted["sessionToken"].as_str().expect("a token"),
    )
    .await;
    assert_eq!(host.welcome["self"]["role"], "HOST");
    for socket in &mut sockets {
        assert_eq!(
            socket.expect("memberJoin").await["memberJoin"]["member"]["role"],
            "HOST"
        );
        socket.expect("cancelAutoEnd").await;
    }
}

async fn a_session_whose_host_stays_away_ends(format: Format) {
    let (meeting, mut sockets) =
        Meeting::with(format, 2, &[("auto_end.host_left", "1s")], json!({})).await;
    host_quits(&mut sockets).await;
    assert_eq!(
        sockets[0].expect("sessEnd").await["sessEnd"],
        json!({"reason": "AUTO_END"})
    );
    sockets[0].expect_close(4010).await;
    let read = meeting
        .http
        .get(&meeting.path(""), meeting.access(1))
        .await
        .ok(200);
    assert_eq!(
        (
            &read["faceSession"]["status"],
            &read["faceSession"]["endReason"]
        ),
        (&json!("ENDED"), &json!("AUTO_END"))
    );
}

/// The frames after `seen` until the session closes the connection.
async fn until_the_end(meeting: &Meeting, epoch: &str, seen: u64) -> Vec<Value> {
    let url = resume(&meeting.websocket_url, epoch, seen);
    let mut socket = Socket::upgrade(
        handshake(&url, meeting.format, &meeting.tokens[1], Credential::Header),
        meeting.format,
    )
    .await;
    let mut frames = Vec::new();
    loop {
        match socket.unchecked_event().await {
            Event::Frame(frame) => frames.push(frame),
            Event::Closed(code) => {
                assert_eq!(code, 4010, "{frames:?}");
                return frames.into_iter().filter(|frame| seq(frame) > 0).collect();
            }
        }
    }
}

async fn a_countdown_goes_on_after_a_kill_and_fires_once(format: Format) {
    let (mut meeting, mut sockets) =
        Meeting::with(format, 2, &[("auto_end.host_left", "2s")], json!({})).await;
    let told = host_quits(&mut sockets).await;
    let ends_at = told["sessionAutoEnd"]["endsAt"]
        .as_str()
        .expect("a time")
        .to_owned();
    let (epoch, seen) = (sockets[0].epoch().to_owned(), sockets[0].seq);
    meeting.server.kill().await;
    meeting.server.restart().await;

    let frames = until_the_end(&meeting, &epoch, seen).await;
    assert!(
        frames.iter().all(|frame| name(frame) != "sessionAutoEnd"),
        "it is the same countdown: {frames:?}"
    );
    let end = frames.last().expect("an end").clone();
    assert_eq!(end["sessEnd"], json!({"reason": "AUTO_END"}));
    assert!(
        end["at"].as_str() >= Some(&ends_at),
        "{end} is not before {ends_at}"
    );
    assert_eq!(
        frames
            .iter()
            .filter(|frame| name(frame) == "sessEnd")
            .count(),
        1
    );

    meeting.server.kill().await;
    meeting.server.restart().await;
    assert_eq!(
        until_the_end(&meeting, &epoch, seen).await,
        frames,
        "nothing fires again"
    );
}

/// Polls until the session has ended. Returns the reason.
async fn end_reason(meeting: &Meeting) -> Value {
    let asking = async {
        let mut pace = interval(Duration::from_millis(100));
        loop {
            pace.tick().await;
            let read = meeting
                .http
                .get(&meeting.path(""), meeting.access(0))
                .await
                .ok(200);
            if read["faceSession"]["status"] == "ENDED" {
                return read["faceSession"]["endReason"].clone();
            }
        }
    };
    timeout(DEADLINE, asking).await.expect("it ends")
}

#[tokio::test]
async fn an_empty_session_ends_after_all_left_and_when_no_member_came() {
    let settings = [("auto_end.empty", "500ms")];
    let never_joined =
        Meeting::created(Server::start_with(&settings).await, Format::Json, json!({})).await;
    assert_eq!(end_reason(&never_joined).await, "AUTO_END");

    let settings = [("auto_end.empty", "2s")];
    let (meeting, mut sockets) = Meeting::with(Format::Json, 1, &settings, json!({})).await;
    let (epoch, seen) = (sockets[0].epoch().to_owned(), sockets[0].seq);
    sockets[0].ask(json!({"quit": {}})).await.ack();
    assert_eq!(end_reason(&meeting).await, "AUTO_END");
    let url = resume(&meeting.websocket_url, &epoch, seen);
    let mut late = Socket::upgrade(
        handshake(&url, Format::Json, &meeting.tokens[0], Credential::Header),
        Format::Json,
    )
    .await;
    let mut told = Vec::new();
    while let Event::Frame(frame) = late.unchecked_event().await {
        told.push(frame);
    }
    let names: Vec<_> = told.iter().map(name).collect();
    assert_eq!(
        names,
        ["welcome", "quit", "sessionAutoEnd", "sessEnd"],
        "{told:?}"
    );
    assert_eq!(told[2]["sessionAutoEnd"]["reason"], "EMPTY");
}

async fn the_longest_present_member_takes_over(format: Format) {
    let (meeting, mut sockets) =
        Meeting::with(format, 3, &[], json!({"hostLeft": "PROMOTE"})).await;
    let heir = sockets[1].member().to_owned();
    let told = host_quits(&mut sockets).await;
    assert_eq!(
        told["sessionChange"]["faceSession"]["hostId"],
        json!(heir),
        "{told}"
    );
    for socket in &mut sockets {
        let changed = socket.expect("memberChange").await["memberChange"]["member"].clone();
        assert_eq!(
            (&changed["memberId"], &changed["role"]),
            (&json!(heir), &json!("HOST"))
        );
    }
    // There is no countdown: the next frame is an instruction of the new host that only a host may
    // give.
    sockets[0]
        .acked(json!({"followMe": {"invite": "ON", "lock": "HARD"}}))
        .await;
    sockets[1].expect("followMe").await;
    meeting
        .http
        .post(&meeting.path("/end"), meeting.access(0), json!({}))
        .await
        .problem(404, "NOT_FOUND");
    meeting
        .http
        .post(&meeting.path("/end"), meeting.access(1), json!({}))
        .await
        .ok(204);
}
