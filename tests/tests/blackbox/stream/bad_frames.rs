//! Frames that do not parse.

use faceshare_tests::http::send;
use faceshare_tests::meeting::Meeting;
use faceshare_tests::{Format, in_both_formats};
use reqwest::Method;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

in_both_formats!(
    the_third_bad_frame_in_a_row_closes,
    a_frame_with_an_id_is_answered_whatever_is_wrong_inside,
    a_frame_over_the_limit_closes,
    the_longest_frame_is_read
);

/// The limit of one frame from a client.
const FRAME_LIMIT: usize = 16 * 1024;

fn bad_frame(format: Format) -> Message {
    match format {
        Format::Json => Message::text("nonsense"),
        Format::Proto => Message::binary(vec![0xff; 8]),
    }
}

async fn the_third_bad_frame_in_a_row_closes(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 2).await;
    for _ in 0..2 {
        sockets[1].send_raw(bad_frame(format)).await;
        sockets[1].send_raw(bad_frame(format)).await;
        sockets[1].acked(json!({"cancelFollow": {}})).await;
    }
    for _ in 0..3 {
        sockets[1].send_raw(bad_frame(format)).await;
    }
    sockets[1].expect_close(4000).await;
    sockets[0].acked(json!({"followMe": {}})).await;
}

/// Frames with id 77, each wrong inside.
fn wrong_inside(format: Format) -> Vec<Message> {
    let texts = [
        r#"{"id":77,"actionSync":{"key":"a\ud83d","view":{"page":1}}}"#.to_owned(),
        r#"{"actionSync":{"key":"view","pointer":{"x":1e999}},"id":77.0}"#.to_owned(),
        r#"{"id":77,"actionSync":{"key":"ink","custom":"?"}}"#.to_owned(),
        r#"{"id":"77","quit":{},"quit":{}}"#.to_owned(),
        format!(
            r#"{{"id":77,"followOther":{{"target":{}{}}}}}"#,
            "[".repeat(1_000),
            "]".repeat(1_000)
        ),
    ];
    // An id, then: a key that is not UTF-8; followOther as a number; followOther cut short inside;
    // 200 groups within each other.
    let bytes = [
        vec![0x08, 77, 0xe2, 0x03, 0x05, 0x12, 0x01, 0xff, 0x5a, 0x00],
        vec![0x08, 77, 0xa0, 0x02, 0x01],
        vec![0x08, 77, 0xa2, 0x02, 0x01, 0x08],
        [
            vec![0x08, 77],
            [0xc3, 0x0c].repeat(200),
            [0xc4, 0x0c].repeat(200),
        ]
        .concat(),
    ];
    match format {
        Format::Json => texts.into_iter().map(Message::text).collect(),
        Format::Proto => bytes.into_iter().map(Message::binary).collect(),
    }
}

async fn a_frame_with_an_id_is_answered_whatever_is_wrong_inside(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 1).await;
    for wrong in wrong_inside(format) {
        // Two bad frames come before it. If it counted as a third, the connection would be closed.
        sockets[0].send_raw(bad_frame(format)).await;
        sockets[0].send_raw(bad_frame(format)).await;
        sockets[0].send_raw(wrong.clone()).await;
        let answer = sockets[0].answer(77).await.answer;
        assert_eq!(
            answer["nack"]["code"], "INVALID_ARGUMENT",
            "{wrong:?} → {answer}"
        );
    }
    sockets[0].acked(json!({"followMe": {}})).await;
}

#[tokio::test]
async fn whole_numbers_are_read_however_json_writes_them() {
    let (meeting, mut sockets) = Meeting::of(Format::Json, 2).await;
    let host: u64 = sockets[0].member().parse().expect("an id");
    sockets[1]
        .send_raw(Message::text(format!(
            r#"{{"id":7.0e1,"nonce":1e1,"followOther":{{"target":{host}.0}}}}"#
        )))
        .await;
    sockets[1].answer(70).await.ack();
    let body = r#"{"maxMembers": 1.2e1, "autoEndAfter": 7200.0}"#;
    let request = meeting
        .http
        .request(Method::POST, "/v1/face-sessions")
        .bearer_auth(meeting.access(0));
    let created = send(
        request
            .header("content-type", "application/json")
            .body(body),
    )
    .await
    .ok(201);
    assert_eq!(created["faceSession"]["maxMembers"], 12);
}

/// A frame of this many bytes that is well-formed but for its length: the rest is an unknown field.
fn frame_of(format: Format, size: usize) -> Message {
    match format {
        Format::Json => {
            let empty = r#"{"id": 77, "cancelFollow": {}, "later": ""}"#;
            Message::text(empty.replace("\"\"", &format!("\"{}\"", "x".repeat(size - empty.len()))))
        }
        Format::Proto => {
            // id 77, an empty cancelFollow (field 37), and field 200 as bytes with a length of
            // three varint bytes.
            let mut bytes = vec![0x08, 77, 0xaa, 0x02, 0x00, 0xc2, 0x0c];
            let rest = size - bytes.len() - 3;
            let low = |bits: usize| u8::try_from(bits & 0x7f).expect("seven bits");
            bytes.extend([low(rest) | 0x80, low(rest >> 7) | 0x80, low(rest >> 14)]);
            bytes.resize(size, b'x');
            Message::binary(bytes)
        }
    }
}

async fn a_frame_over_the_limit_closes(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 2).await;
    sockets[1].send_raw(frame_of(format, FRAME_LIMIT + 1)).await;
    sockets[1].expect_close(4013).await;
    sockets[0].acked(json!({"followMe": {}})).await;
}

async fn the_longest_frame_is_read(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 1).await;
    sockets[0].send_raw(frame_of(format, FRAME_LIMIT)).await;
    sockets[0].answer(77).await.ack();
}
