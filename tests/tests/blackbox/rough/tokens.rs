//! Renewal of session tokens in the stream.

use faceshare_tests::meeting::Meeting;
use faceshare_tests::socket::{Credential, Event, Socket, handshake, name};
use faceshare_tests::{Format, in_both_formats};
use serde_json::{Value, json};

in_both_formats!(
    a_token_is_renewed_before_it_expires_and_the_stream_goes_on,
    a_removed_member_gets_no_further_token,
);

/// The next `tokenRenewed`, and the token in it.
async fn renewed(socket: &mut Socket) -> (Value, String) {
    let frame = socket.until("tokenRenewed").await;
    let token = frame["tokenRenewed"]["sessionToken"]
        .as_str()
        .expect("a token")
        .to_owned();
    (frame, token)
}

/// The expiry of a member's first token, from the answer that contained it.
async fn first_end(meeting: &Meeting) -> String {
    let again = meeting
        .http
        .post(&meeting.path("/token"), meeting.access(0), json!({}))
        .await
        .ok(200);
    again["expiresAt"].as_str().expect("a time").to_owned()
}

async fn a_token_is_renewed_before_it_expires_and_the_stream_goes_on(format: Format) {
    // Long enough to connect with on a busy machine; the next comes after two thirds of it.
    let (meeting, mut sockets) =
        Meeting::with(format, 1, &[("auth.session_ttl", "4s")], json!({})).await;
    let mut socket = sockets.pop().expect("one");
    let end = first_end(&meeting).await;
    let (frame, fresh) = renewed(&mut socket).await;
    // Times of this form are in the order of their text.
    assert!(
        frame["at"].as_str() < Some(end.as_str()),
        "renewed before the old one ends: {frame}, {end}"
    );
    assert!(
        frame["tokenRenewed"]["expiresAt"].as_str() > Some(end.as_str()),
        "{frame}, {end}"
    );

    // The one after next is sent after the end of the first.
    let (frame, newer) = renewed(&mut socket).await;
    let (frame, newest) = if frame["at"].as_str() > Some(end.as_str()) {
        (frame, newer)
    } else {
        renewed(&mut socket).await
    };
    assert!(frame["at"].as_str() > Some(end.as_str()), "{frame}, {end}");
    socket.acked(json!({"cancelFollow": {}})).await;

    let request = handshake(
        &meeting.websocket_url,
        format,
        &meeting.tokens[0],
        Credential::Subprotocol,
    );
    assert_eq!(
        Socket::upgrade(request, format)
            .await
            .unchecked_event()
            .await,
        Event::Closed(4001),
        "the first one is over"
    );
    assert_ne!(fresh, newest);
    let mut again = Socket::connect(&meeting.websocket_url, format, &newest).await;
    assert_eq!(
        again.welcome["self"]["pointId"], socket.welcome["self"]["pointId"],
        "it is the same point"
    );
    socket.expect_close(4009).await;
    again.acked(json!({"cancelFollow": {}})).await;
}

async fn a_removed_member_gets_no_further_token(format: Format) {
    let (meeting, mut sockets) =
        Meeting::with(format, 2, &[("auth.session_ttl", "4s")], json!({})).await;
    let mut removed = sockets.pop().expect("two");
    let (_, token) = renewed(&mut removed).await;
    let path = meeting.path(&format!("/members/{}", removed.member()));
    meeting.http.delete(&path, meeting.access(0)).await.ok(204);
    let mut quit = false;
    loop {
        match removed.event().await {
            Event::Closed(code) => {
                assert_eq!(code, 4003);
                break;
            }
            Event::Frame(frame) => {
                quit |= name(&frame) == "quit";
                assert!(
                    !quit || name(&frame) != "tokenRenewed",
                    "after its removal: {frame}"
                );
            }
        }
    }
    assert!(quit, "it is told why");
    let request = handshake(
        &meeting.websocket_url,
        format,
        &token,
        Credential::Subprotocol,
    );
    assert_eq!(
        Socket::upgrade(request, format)
            .await
            .unchecked_event()
            .await,
        Event::Closed(4003)
    );
    meeting
        .http
        .post(&meeting.path("/token"), meeting.access(1), json!({}))
        .await
        .problem(403, "FORBIDDEN");
}
