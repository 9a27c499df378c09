//! Heartbeats.

use faceshare_tests::meeting::Meeting;
use faceshare_tests::{Format, in_both_formats};
use serde_json::json;
use std::time::Duration;

in_both_formats!(
    a_silent_point_is_lost_and_one_that_answers_is_not,
    a_server_that_was_stopped_for_longer_than_the_timeout_loses_no_point
);

async fn a_silent_point_is_lost_and_one_that_answers_is_not(format: Format) {
    let settings = [
        ("heartbeat.interval", "300ms"),
        ("heartbeat.timeout", "1500ms"),
    ];
    let (_meeting, mut sockets) = Meeting::with(format, 2, &settings, json!({})).await;
    assert_eq!(sockets[0].welcome["heartbeatInterval"], "0.300s");
    let silent = sockets.pop().expect("two");
    let silent = tokio::spawn(async move {
        let mut silent = silent;
        silent.close().await.0
    });
    // Far longer than the timeout, so that the answering point would be lost if the test failed.
    for _ in 0..12 {
        let heart = sockets[0].until("sysHeart").await;
        let last_seq = sockets[0].seq;
        sockets[0]
            .send(
                &json!({"ackHeart": {"sentAt": heart["sysHeart"]["sentAt"], "lastSeq": last_seq}}),
            )
            .await;
    }
    assert_eq!(silent.await.expect("it ends"), 4008);
    sockets[0].acked(json!({"followMe": {}})).await;
}

async fn a_server_that_was_stopped_for_longer_than_the_timeout_loses_no_point(format: Format) {
    let settings = [("heartbeat.interval", "1s"), ("heartbeat.timeout", "3s")];
    let (meeting, mut sockets) = Meeting::with(format, 3, &settings, json!({})).await;
    meeting.server.stop().await;
    // The frame of the first client waits in its socket; the others send nothing.
    let id = sockets[0].instruct(json!({"followMe": {}})).await;
    // Wait twice the timeout, because the test is that no point is lost meanwhile.
    tokio::time::sleep(Duration::from_secs(6)).await;
    meeting.server.go_on().await;
    sockets[0].answer(id).await.ack();
    for socket in &mut sockets {
        let heart = socket.until("sysHeart").await;
        socket.send(&json!({"ackHeart": {"sentAt": heart["sysHeart"]["sentAt"], "lastSeq": socket.seq}})).await;
        socket.acked(json!({"cancelFollow": {}})).await;
    }
}
