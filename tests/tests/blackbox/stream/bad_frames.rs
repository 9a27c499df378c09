//! What is no frame at all.

use faceshare_tests::meeting::Meeting;
use faceshare_tests::{Format, in_both_formats};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

in_both_formats!(the_third_bad_frame_in_a_row_closes, a_frame_over_the_limit_closes, the_longest_frame_is_read);

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

/// A frame of this many bytes that is well-formed but for its length: the rest is an unknown field.
fn frame_of(format: Format, size: usize) -> Message {
    match format {
        Format::Json => {
            let empty = r#"{"id": 77, "cancelFollow": {}, "later": ""}"#;
            Message::text(empty.replace("\"\"", &format!("\"{}\"", "x".repeat(size - empty.len()))))
        }
        Format::Proto => {
            // id 77, an empty cancelFollow (field 37), and field 200 as bytes with a length of three varint bytes.
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
