//! Answers: one to each id, in order, and an instruction that takes effect once.

use faceshare_tests::meeting::Meeting;
use faceshare_tests::socket::Socket;
use faceshare_tests::{Format, in_both_formats};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

in_both_formats!(
    a_repeated_nonce_is_answered_as_the_first_and_not_applied,
    a_frame_without_an_id_is_not_answered,
    a_readable_id_is_answered_whatever_is_wrong_inside,
    answers_come_in_the_order_of_the_instructions,
);

async fn a_repeated_nonce_is_answered_as_the_first_and_not_applied(format: Format) {
    let (meeting, mut sockets) = Meeting::of(format, 2).await;
    let host = sockets[0].member().to_owned();
    let follow = json!({"nonce": "9007199254740993", "followOther": {"target": host}});
    let first = sockets[1].acked(follow.clone()).await;
    sockets[1]
        .acked(json!({"nonce": "2", "cancelFollow": {}}))
        .await;
    let head = sockets[1].seq;
    let repeat = sockets[1].ask(follow.clone()).await;
    assert_eq!((repeat.ack(), repeat.before), (first, Vec::new()));

    let minted = meeting
        .http
        .post(&meeting.path("/token"), meeting.access(1), json!({}))
        .await
        .ok(200);
    let mut second = Socket::connect(
        &meeting.websocket_url,
        format,
        minted["sessionToken"].as_str().expect("a token"),
    )
    .await;
    assert_eq!(
        second.acked(follow.clone()).await,
        first,
        "on another device too"
    );
    sockets[1].expect("memberChange").await;
    assert_eq!(
        sockets[1].seq,
        head + 1,
        "nothing but the second device is new"
    );

    // Each member has its own nonces: the same number of another member is another nonce.
    let guest = sockets[1].member().to_owned();
    let other = sockets[0]
        .acked(json!({"nonce": "9007199254740993", "followOther": {"target": guest}}))
        .await;
    assert_ne!(other, first);
}

async fn a_frame_without_an_id_is_not_answered(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 2).await;
    let host = sockets[0].member().to_owned();
    sockets[0]
        .send(&json!({"followOther": {"target": host}}))
        .await;
    sockets[0].send(&json!({"cancelFollow": {}})).await;
    sockets[0].send(&json!({"followMe": {}})).await;
    sockets[0].expect("followMe").await;
    sockets[0].expect("followChange").await;
    let answered = sockets[0].ask(json!({"cancelFollow": {}})).await;
    assert!(answered.before.is_empty(), "{answered:?}");
}

/// `id` and what follows it, in either encoding: the text goes in JSON, the bytes in protobuf.
fn frame(format: Format, id: u8, json: &str, proto: &[u8]) -> Message {
    match format {
        Format::Json => Message::text(format!("{{\"id\": {id}{json}}}")),
        Format::Proto => Message::binary([&[0x08, id], proto].concat()),
    }
}

async fn a_readable_id_is_answered_whatever_is_wrong_inside(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 1).await;
    let socket = &mut sockets[0];
    // In protobuf: a tag is (number << 3 | wire type); 99 is no field of a client's frame, 43 is
    // `sessEnd`, 30 `memberJoin`.
    let wrong = [
        frame(format, 101, "", &[]),
        frame(format, 102, ", \"fly\": {}", &[0x9a, 0x06, 0x00]),
        frame(
            format,
            103,
            ", \"sessEnd\": {\"reason\": \"HOST_ENDED\"}",
            &[0xda, 0x02, 0x02, 0x08, 0x01],
        ),
        frame(format, 104, ", \"memberJoin\": {}", &[0xf2, 0x01, 0x00]),
        // `followOther` with a value of the wrong type: `target` a text; in protobuf a varint where
        // a message belongs.
        frame(
            format,
            105,
            ", \"followOther\": {\"target\": \"abc\"}",
            &[0x98, 0x02, 0x05],
        ),
        frame(format, 106, ", \"followMe\": 7", &[0xa0, 0x02, 0x05]),
    ];
    for (id, message) in (101..).zip(wrong) {
        socket.send_raw(message).await;
        let answered = socket.answer(id).await;
        assert_eq!(
            answered.answer["nack"]["code"], "INVALID_ARGUMENT",
            "{id}: {answered:?}"
        );
        assert!(answered.before.is_empty(), "{answered:?}");
    }
    socket.acked(json!({"followMe": {}})).await;
}

async fn answers_come_in_the_order_of_the_instructions(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 2).await;
    let guest = sockets[1].member().to_owned();
    let mut asked = Vec::new();
    for round in 0..20 {
        let instruction = if round % 2 == 0 {
            json!({"followOther": {"target": guest}})
        } else {
            json!({"cancelFollow": {}})
        };
        asked.push(sockets[0].instruct(instruction).await);
    }
    let mut seen: Vec<Value> = Vec::new();
    for id in asked {
        let answered = sockets[0].answer(id).await;
        let seq = answered.ack();
        seen.extend(answered.before);
        assert!(
            seen.iter().any(|frame| frame["seq"] == seq),
            "the ack of {seq} came before its frame"
        );
        assert!(
            seen.iter().any(|frame| frame["seq"] == seq + 1),
            "the ack of {seq} came before its consequence"
        );
    }
}
