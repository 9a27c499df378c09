//! Clients that exceed the rates of the stream.

use faceshare_tests::meeting::Meeting;
use faceshare_tests::socket::{Socket, name};
use faceshare_tests::{Format, in_both_formats};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Bytes, Message};

in_both_formats!(
    instructions_beyond_the_burst_are_refused_and_other_members_go_on,
    a_point_that_goes_on_after_refusals_is_closed,
    a_flood_of_positions_is_closed,
    a_flood_of_keepalives_is_closed,
    presenting_is_not_turned_on_and_off_at_will,
);

/// Sends all instructions at once. Returns the answers.
async fn all_at_once(
    socket: &mut Socket,
    instructions: impl IntoIterator<Item = Value>,
) -> Vec<Value> {
    let mut asked = Vec::new();
    for instruction in instructions {
        asked.push(socket.instruct(instruction).await);
    }
    let mut answers = Vec::new();
    while answers.len() < asked.len() {
        let frame = socket.next().await;
        if matches!(name(&frame), "ack" | "nack") {
            answers.push(frame);
        }
    }
    answers
}

/// The number of acknowledged instructions. The others must have been refused as too many.
fn taken(answers: &[Value]) -> usize {
    let refused = answers
        .iter()
        .filter(|answer| answer["nack"]["code"] == "RATE_LIMITED")
        .count();
    let taken = answers
        .iter()
        .filter(|answer| answer.get("ack").is_some())
        .count();
    assert_eq!(taken + refused, answers.len(), "{answers:?}");
    taken
}

async fn instructions_beyond_the_burst_are_refused_and_other_members_go_on(format: Format) {
    // The burst is the default. The rate adds almost nothing to it while the test runs.
    let settings = [("limits.ordered_per_second", "1")];
    let (_meeting, mut sockets) = Meeting::with(format, 2, &settings, json!({})).await;
    let answers = all_at_once(
        &mut sockets[1],
        (0..180).map(|_| json!({"cancelFollow": {}})),
    )
    .await;
    assert!(
        (100..150).contains(&taken(&answers)),
        "{} were taken",
        taken(&answers)
    );
    // Answers to heartbeats and positions do not count, and each point has its own bucket.
    sockets[1].acked(json!({"ackHeart": {"lastSeq": 1}})).await;
    sockets[1]
        .acked(json!({"actionSync": {"key": "view", "view": {"page": 1}}}))
        .await;
    sockets[0].acked(json!({"followMe": {}})).await;
    sockets[1].expect("followMe").await;
}

async fn a_point_that_goes_on_after_refusals_is_closed(format: Format) {
    let settings = [
        ("limits.ordered_per_second", "1"),
        ("limits.refusal_window", "1m"),
    ];
    let (_meeting, mut sockets) = Meeting::with(format, 2, &settings, json!({})).await;
    // 100 are acknowledged, 200 refused, and some more for the seconds that this takes.
    for _ in 0..400 {
        sockets[1].send(&json!({"cancelFollow": {}})).await;
    }
    sockets[1].expect_close(4029).await;
    sockets[0].acked(json!({"followMe": {}})).await;
}

async fn a_flood_of_positions_is_closed(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 2).await;
    let mut page = 0_u32;
    // More than 600 in one second, also if they are not read faster than a thousand in a second.
    for _ in 0..2_000 {
        page += 1;
        sockets[1]
            .send(&json!({"actionSync": {"key": "view", "view": {"page": page}}}))
            .await;
    }
    sockets[1].expect_close(4029).await;
    sockets[0].acked(json!({"followMe": {}})).await;
}

async fn a_flood_of_keepalives_is_closed(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 3).await;
    for _ in 0..2_000 {
        sockets[1].send(&json!({"ackHeart": {"lastSeq": 1}})).await;
        sockets[2]
            .send_raw(Message::Ping(Bytes::from_static(b"there?")))
            .await;
    }
    sockets[1].expect_close(4029).await;
    sockets[2].expect_close(4029).await;
    sockets[0].acked(json!({"followMe": {}})).await;
}

async fn presenting_is_not_turned_on_and_off_at_will(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 2).await;
    let turns = (0..40).map(|turn| {
        if turn % 2 == 0 {
            json!({"followMe": {}})
        } else {
            json!({"cancelFollowMe": {}})
        }
    });
    let answers = all_at_once(&mut sockets[0], turns).await;
    let refused: Vec<_> = answers
        .iter()
        .filter_map(|answer| answer["nack"]["code"].as_str())
        .collect();
    let taken = answers.len() - refused.len();
    assert!(
        (5..20).contains(&taken),
        "a burst of five, then one in a second: {taken}"
    );
    assert!(refused.contains(&"RATE_LIMITED"), "{refused:?}");
    // After a refused start, the next stop has no presentation to end.
    assert!(
        refused
            .iter()
            .all(|code| matches!(*code, "RATE_LIMITED" | "NOT_PRESENTING")),
        "{refused:?}"
    );
    // Other instructions and other members are not affected.
    sockets[0].acked(json!({"cancelFollow": {}})).await;
    let answered = sockets[1].ask(json!({"cancelFollowMe": {}})).await.answer;
    assert_ne!(answered["nack"]["code"], "RATE_LIMITED", "{answered}");
}
