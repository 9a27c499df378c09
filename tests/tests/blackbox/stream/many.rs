//! Ten members that send at the same time.

use faceshare_tests::meeting::Meeting;
use faceshare_tests::socket::{Socket, seq};
use faceshare_tests::{Format, in_both_formats};
use serde_json::{Value, json};
use tokio::task::JoinSet;

in_both_formats!(ten_members_who_all_speak_at_once_see_one_order);

const MEMBERS: usize = 10;
const ROUNDS: usize = 8;

/// Follows the next member and stops again, all at once. Returns the socket and its acknowledged
/// seqs.
async fn speak(mut socket: Socket, neighbour: String) -> (Socket, Vec<u64>) {
    let mut asked = Vec::new();
    for round in 0..ROUNDS {
        let follow = round % 2 == 0;
        let body = if follow {
            json!({"followOther": {"target": neighbour}})
        } else {
            json!({"cancelFollow": {}})
        };
        asked.push((socket.instruct(body).await, follow));
    }
    let mut acked = Vec::new();
    for (id, follow) in asked {
        let answer = socket.answer(id).await.answer;
        // A follow that would close the ring is refused, and then there is nothing to stop.
        match answer["ack"]["seq"].as_u64() {
            Some(seq) => acked.push(seq),
            None => assert!(
                follow && answer["nack"]["code"] == "FOLLOW_CYCLE",
                "{answer}"
            ),
        }
    }
    (socket, acked)
}

async fn ten_members_who_all_speak_at_once_see_one_order(format: Format) {
    let (_meeting, sockets) = Meeting::of(format, MEMBERS).await;
    let ids: Vec<_> = sockets
        .iter()
        .map(|socket| socket.member().to_owned())
        .collect();
    let start = sockets[0].seq;
    let mut speaking = JoinSet::new();
    for (index, socket) in sockets.into_iter().enumerate() {
        speaking.spawn(speak(socket, ids[(index + 1) % MEMBERS].clone()));
    }
    let mut sockets = Vec::new();
    let mut acked = Vec::new();
    while let Some(done) = speaking.join_next().await {
        let (socket, seqs) = done.expect("no speaker fails");
        sockets.push(socket);
        acked.extend(seqs);
    }
    sockets[0]
        .acked(json!({"followMe": {"invite": "OFF"}}))
        .await;
    let head = sockets[0].seq;
    let mut logs: Vec<Vec<Value>> = Vec::new();
    for socket in &mut sockets {
        socket.catch_up(head).await;
        logs.push(
            socket
                .log
                .iter()
                .filter(|frame| seq(frame) > start)
                .cloned()
                .collect(),
        );
    }
    for log in &logs {
        assert_eq!(log, &logs[0], "everybody sees the same order");
    }
    let seqs: Vec<_> = logs[0].iter().map(seq).collect();
    assert_eq!(
        seqs,
        (start + 1..=head).collect::<Vec<_>>(),
        "without a gap"
    );
    for seq in acked.into_iter().filter(|seq| *seq > start) {
        assert!(seqs.contains(&seq), "{seq} was acknowledged");
    }
}
