//! Points are not members: several devices of one person, replaced connections, apps in the
//! background.

use faceshare_tests::meeting::Meeting;
use faceshare_tests::socket::{Credential, Event, Socket, handshake};
use faceshare_tests::{Format, in_both_formats};
use serde_json::{Value, json};

in_both_formats!(
    a_member_has_five_points_and_no_sixth,
    a_replaced_connection_is_closed_and_its_late_end_announces_no_loss,
    a_member_whose_app_is_in_the_background_keeps_its_place_longer,
);

async fn minted(meeting: &Meeting, index: usize) -> String {
    let minted = meeting
        .http
        .post(&meeting.path("/token"), meeting.access(index), json!({}))
        .await
        .ok(200);
    minted["sessionToken"].as_str().expect("a token").to_owned()
}

fn points(change: &Value) -> usize {
    change["memberChange"]["member"]["points"]
        .as_array()
        .map_or(0, Vec::len)
}

async fn a_member_has_five_points_and_no_sixth(format: Format) {
    let (meeting, mut sockets) =
        Meeting::with(format, 2, &[("member.debounce", "100ms")], json!({})).await;
    let mut devices = Vec::new();
    for count in 2..=5 {
        devices.push(
            Socket::connect(&meeting.websocket_url, format, &minted(&meeting, 1).await).await,
        );
        assert_eq!(points(&sockets[0].expect("memberChange").await), count);
    }
    let sixth = minted(&meeting, 1).await;
    let request = handshake(
        &meeting.websocket_url,
        format,
        &sixth,
        Credential::Subprotocol,
    );
    assert_eq!(
        Socket::upgrade(request, format)
            .await
            .unchecked_event()
            .await,
        Event::Closed(4029)
    );

    // One point leaves, so another may connect.
    devices.pop().expect("four").cut();
    assert_eq!(points(&sockets[0].expect("memberChange").await), 4);
    let request = handshake(
        &meeting.websocket_url,
        format,
        &sixth,
        Credential::Subprotocol,
    );
    let sixth = Socket::open(request, format).await;
    assert_eq!(points(&sockets[0].expect("memberChange").await), 5);
    assert_eq!(sixth.member(), sockets[1].member());
}

async fn a_replaced_connection_is_closed_and_its_late_end_announces_no_loss(format: Format) {
    // A loss would be announced at once.
    let settings = [("member.debounce", "100ms"), ("member.grace", "200ms")];
    let (meeting, mut sockets) = Meeting::with(format, 2, &settings, json!({})).await;
    let mut old = sockets.pop().expect("two");
    let mut new = meeting.connect(1).await;
    old.expect_close(4009).await;
    old.cut();
    // A third connection replaces the second one, whose socket ends long after that.
    let mut newest = meeting.connect(1).await;
    new.expect_close(4009).await;
    new.cut();
    // If it counted as a loss, the member would be removed before the later loss of another member
    // is announced.
    let other = Socket::connect(&meeting.websocket_url, format, &minted(&meeting, 0).await).await;
    assert_eq!(points(&sockets[0].expect("memberChange").await), 2);
    other.cut();
    assert_eq!(points(&sockets[0].expect("memberChange").await), 1);
    newest
        .acked(json!({"followOther": {"target": sockets[0].member()}}))
        .await;
    sockets[0].expect("followOther").await;
}

async fn a_member_whose_app_is_in_the_background_keeps_its_place_longer(format: Format) {
    let settings = [
        ("member.debounce", "100ms"),
        ("member.grace", "500ms"),
        ("member.background_grace", "5m"),
    ];
    let (meeting, mut sockets) = Meeting::with(format, 3, &settings, json!({})).await;
    let id: Vec<_> = sockets
        .iter()
        .map(|socket| socket.member().to_owned())
        .collect();
    assert_eq!(
        sockets[1]
            .acked(json!({"pointState": {"background": true}}))
            .await,
        0,
        "ephemeral"
    );
    sockets.remove(1).cut();
    assert_eq!(
        sockets[0].expect("memberChange").await["memberChange"]["member"]["memberId"],
        json!(id[1])
    );
    // It is lost later but removed earlier.
    sockets.remove(1).cut();
    assert_eq!(
        sockets[0].expect("memberChange").await["memberChange"]["member"]["memberId"],
        json!(id[2])
    );
    assert_eq!(
        sockets[0].expect("quit").await["quit"],
        json!({"memberId": id[2], "reason": "TIMEOUT"})
    );
    let _back = meeting.connect(1).await;
    let changed = sockets[0].expect("memberChange").await["memberChange"]["member"].clone();
    assert_eq!(
        (&changed["memberId"], &changed["online"]),
        (&json!(id[1]), &json!(true)),
        "no new arrival"
    );
}
