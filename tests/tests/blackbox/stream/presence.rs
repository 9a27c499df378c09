//! Presence: joining, leaving, loss and return of members.

use faceshare_tests::meeting::Meeting;
use faceshare_tests::socket::{Event, Socket, name, seq};
use faceshare_tests::{Format, in_both_formats};
use serde_json::{Value, json};

in_both_formats!(
    a_leaver_sees_its_own_frame_then_the_answer_then_the_end,
    a_lost_member_is_announced_and_leaves_after_its_grace,
    a_lost_member_that_comes_back_in_time_is_online_again,
    a_second_device_is_the_same_member,
    the_end_reaches_all_members_and_those_who_connect_later,
);

async fn a_leaver_sees_its_own_frame_then_the_answer_then_the_end(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 3).await;
    let leaver = sockets[2].member().to_owned();
    let answered = sockets[2].ask(json!({"quit": {}})).await;
    let quit = json!({"memberId": leaver, "reason": "LEFT"});
    assert_eq!(
        answered.before.first().expect("its own frame")["quit"],
        quit
    );
    assert_eq!(answered.ack(), seq(&answered.before[0]));
    assert_eq!(answered.before[0]["from"], json!(leaver));
    sockets[2].expect_close(1000).await;
    for socket in &mut sockets[..2] {
        let told = socket.expect("quit").await;
        assert_eq!((&told["quit"], &told["from"]), (&quit, &json!(leaver)));
        assert!(told["at"].is_string());
    }
}

async fn a_lost_member_is_announced_and_leaves_after_its_grace(format: Format) {
    let settings = [("member.debounce", "100ms"), ("member.grace", "1s")];
    let (_meeting, mut sockets) = Meeting::with(format, 2, &settings, json!({})).await;
    let lost = sockets.pop().expect("two");
    let member = lost.member().to_owned();
    lost.cut();
    let changed = sockets[0].expect("memberChange").await["memberChange"]["member"].clone();
    assert_eq!(changed["memberId"], json!(member));
    assert_eq!(
        (changed.get("online"), changed.get("points")),
        (None, None),
        "{changed}"
    );
    assert_eq!(
        sockets[0].expect("quit").await["quit"],
        json!({"memberId": member, "reason": "TIMEOUT"})
    );
}

async fn a_lost_member_that_comes_back_in_time_is_online_again(format: Format) {
    let settings = [("member.debounce", "100ms"), ("member.grace", "5m")];
    let (meeting, mut sockets) = Meeting::with(format, 2, &settings, json!({})).await;
    sockets.pop().expect("two").cut();
    assert_eq!(
        sockets[0].expect("memberChange").await["memberChange"]["member"].get("online"),
        None
    );
    let back = meeting.connect(1).await;
    let changed = sockets[0].expect("memberChange").await["memberChange"]["member"].clone();
    assert_eq!(
        (&changed["memberId"], &changed["online"]),
        (&json!(back.member()), &json!(true))
    );
    assert_eq!(
        changed["points"].as_array().map(Vec::len),
        Some(1),
        "{changed}"
    );
}

async fn a_second_device_is_the_same_member(format: Format) {
    let (meeting, mut sockets) = Meeting::of(format, 2).await;
    let minted = meeting
        .http
        .post(&meeting.path("/token"), meeting.access(1), json!({}))
        .await
        .ok(200);
    let token = minted["sessionToken"].as_str().expect("a token");
    let mut second = Socket::connect(&meeting.websocket_url, format, token).await;
    for socket in &mut sockets {
        let changed = socket.expect("memberChange").await["memberChange"]["member"].clone();
        assert_eq!(changed["memberId"], json!(second.member()));
        assert_eq!(
            changed["points"].as_array().map(Vec::len),
            Some(2),
            "{changed}"
        );
    }
    let host = sockets[0].member().to_owned();
    let followed = second.acked(json!({"followOther": {"target": host}})).await;
    let repeated = sockets[1].expect("followOther").await;
    assert_eq!(
        (seq(&repeated), &repeated["from"]),
        (followed, &json!(second.member())),
        "the other device sees it"
    );

    second.ask(json!({"quit": {}})).await;
    second.expect_close(1000).await;
    let (code, frames) = sockets[1].close().await;
    assert_eq!(code, 1000, "leaving closes every device");
    assert!(
        frames
            .iter()
            .any(|frame| frame["quit"]["memberId"] == json!(second.member())),
        "{frames:?}"
    );
}

async fn the_end_reaches_all_members_and_those_who_connect_later(format: Format) {
    let (meeting, mut sockets) = Meeting::of(format, 2).await;
    let (epoch, seen) = (sockets[1].epoch().to_owned(), sockets[1].seq);
    sockets.pop().expect("two").cut();
    meeting
        .http
        .post(&meeting.path("/end"), meeting.access(0), json!({}))
        .await
        .ok(204);
    let (code, frames) = sockets[0].close().await;
    let last = frames.last().expect("a last frame");
    assert_eq!(
        (code, &last["sessEnd"]),
        (4010, &json!({"reason": "HOST_ENDED"}))
    );
    assert_eq!(
        frames
            .iter()
            .filter(|frame| name(frame) == "sessEnd")
            .count(),
        1
    );

    let url = faceshare_tests::socket::resume(&meeting.websocket_url, &epoch, seen);
    for url in [url.as_str(), meeting.websocket_url.as_str()] {
        let frames = frames_of_a_late_one(&meeting, url).await;
        assert_eq!(
            frames.last().expect("sessEnd")["sessEnd"],
            json!({"reason": "HOST_ENDED"}),
            "{frames:?}"
        );
    }
}

/// The frames on a connection to an ended session, until it closes with 4010, with or without a
/// `welcome`.
async fn frames_of_a_late_one(meeting: &Meeting, url: &str) -> Vec<Value> {
    use faceshare_tests::socket::{Credential, handshake};
    let request = handshake(
        url,
        meeting.format,
        &meeting.tokens[1],
        Credential::Subprotocol,
    );
    let mut socket = Socket::upgrade(request, meeting.format).await;
    let mut frames: Vec<Value> = Vec::new();
    loop {
        match socket.unchecked_event().await {
            Event::Frame(frame) => frames.push(frame),
            Event::Closed(code) => {
                assert_eq!(code, 4010, "{frames:?}");
                return frames;
            }
        }
    }
}
