//! Dead connections without a close.

use faceshare_tests::meeting::Meeting;
use faceshare_tests::socket::{Event, Socket, name};
use faceshare_tests::{Format, in_both_formats};
use serde_json::{Value, json};

in_both_formats!(
    a_silent_member_is_lost_then_offline_then_gone_and_may_come_back,
    a_return_within_the_debounce_is_not_announced,
    a_return_within_the_grace_is_not_a_new_join,
);

/// Connects the point again. A removed member gets a new token first.
async fn return_by_token(meeting: &Meeting, index: usize, body: Value) -> Socket {
    let minted = meeting
        .http
        .post(&meeting.path("/token"), meeting.access(index), body)
        .await
        .ok(200);
    Socket::connect(
        &meeting.websocket_url,
        meeting.format,
        minted["sessionToken"].as_str().expect("a token"),
    )
    .await
}

/// Whether a `memberChange` says that this member is away.
fn is_away(frame: &Value, member: &str) -> bool {
    let changed = &frame["memberChange"]["member"];
    changed["memberId"] == member
        && changed.get("online").is_none()
        && changed.get("points").is_none()
}

async fn a_silent_member_is_lost_then_offline_then_gone_and_may_come_back(format: Format) {
    let settings = [
        ("heartbeat.interval", "200ms"),
        ("heartbeat.timeout", "3s"),
        ("member.debounce", "100ms"),
        ("member.grace", "1s"),
    ];
    let (meeting, mut sockets) = Meeting::with(format, 2, &settings, json!({})).await;
    let mut silent = sockets.pop().expect("two");
    let mut watcher = sockets.pop().expect("one");
    watcher.answers_hearts = true;
    let member = silent.member().to_owned();
    // The socket stays open but is not read, like a phone in a tunnel.
    let away = watcher.expect("memberChange").await;
    assert!(is_away(&away, &member), "{away}");
    // A client that reads in time gets the close frame.
    assert_eq!(silent.close().await.0, 4008);
    assert_eq!(
        watcher.expect("quit").await["quit"],
        json!({"memberId": member, "reason": "TIMEOUT"})
    );

    let back = return_by_token(&meeting, 1, json!({})).await;
    let joined = watcher.expect("memberJoin").await["memberJoin"]["member"].clone();
    assert_eq!(
        (&joined["memberId"], &joined["online"]),
        (&json!(member), &json!(true))
    );
    assert_eq!(back.member(), member);
}

async fn a_return_within_the_debounce_is_not_announced(format: Format) {
    let settings = [("member.debounce", "1m"), ("member.grace", "2m")];
    let (meeting, mut sockets) = Meeting::with(format, 3, &settings, json!({})).await;
    let lost = sockets.remove(1);
    let (epoch, seen) = (lost.epoch().to_owned(), lost.seq);
    lost.cut();
    for _ in 0..3 {
        let back = meeting.resume(1, &epoch, seen).await;
        assert_eq!(
            (&back.welcome["resumed"], back.welcome["seq"].as_u64()),
            (&json!(true), Some(seen))
        );
        back.cut();
    }
    let mut back = meeting.resume(1, &epoch, seen).await;
    let told = back
        .acked(json!({"followOther": {"target": sockets[0].member()}}))
        .await;
    assert_eq!(told, seen + 1, "nothing of it is in the order");
    for socket in &mut sockets {
        assert_eq!(
            socket.expect("followOther").await["from"],
            json!(back.member())
        );
    }
}

async fn a_return_within_the_grace_is_not_a_new_join(format: Format) {
    let settings = [("member.debounce", "100ms"), ("member.grace", "5m")];
    let (meeting, mut sockets) = Meeting::with(format, 2, &settings, json!({})).await;
    let lost = sockets.pop().expect("two");
    let (epoch, seen, member) = (lost.epoch().to_owned(), lost.seq, lost.member().to_owned());
    lost.cut();
    let away = sockets[0].expect("memberChange").await;
    assert!(is_away(&away, &member), "{away}");
    let mut back = meeting.resume(1, &epoch, seen).await;
    let here = sockets[0].expect("memberChange").await["memberChange"]["member"].clone();
    assert_eq!(
        (&here["memberId"], &here["online"]),
        (&json!(member), &json!(true))
    );
    // The missed frames say that it was away, not that it left.
    back.catch_up(sockets[0].seq).await;
    assert_eq!(
        back.log.iter().map(name).collect::<Vec<_>>(),
        ["memberChange", "memberChange"]
    );
    sockets[0]
        .acked(json!({"followOther": {"target": member}}))
        .await;
    let Event::Frame(next) = back.event().await else {
        panic!("closed")
    };
    assert_eq!(name(&next), "followOther");
}
