//! Heartbeats.

use faceshare_tests::meeting::Meeting;
use faceshare_tests::{Format, in_both_formats};
use serde_json::json;

in_both_formats!(a_silent_point_is_lost_and_one_that_answers_is_not);

async fn a_silent_point_is_lost_and_one_that_answers_is_not(format: Format) {
    let settings = [("heartbeat.interval", "300ms"), ("heartbeat.timeout", "1500ms")];
    let (_meeting, mut sockets) = Meeting::with(format, 2, &settings, json!({})).await;
    assert_eq!(sockets[0].welcome["heartbeatInterval"], "0.300s");
    let silent = sockets.pop().expect("two");
    let silent = tokio::spawn(async move {
        let mut silent = silent;
        silent.close().await.0
    });
    // Beyond the timeout by far, so that the one who answers had every chance to be lost.
    for _ in 0..12 {
        let heart = sockets[0].until("sysHeart").await;
        let last_seq = sockets[0].seq;
        sockets[0].send(&json!({"ackHeart": {"sentAt": heart["sysHeart"]["sentAt"], "lastSeq": last_seq}})).await;
    }
    assert_eq!(silent.await.expect("it ends"), 4008);
    sockets[0].acked(json!({"followMe": {}})).await;
}
