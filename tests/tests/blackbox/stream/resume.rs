//! Resuming by epoch and seq.

use faceshare_tests::meeting::Meeting;
use faceshare_tests::socket::seq;
use faceshare_tests::{Format, in_both_formats};
use serde_json::{Value, json};

in_both_formats!(
    missed_frames_come_once_and_in_order,
    a_point_that_missed_no_frame_gets_none,
    a_position_that_cannot_be_resumed_gives_a_snapshot,
);

async fn missed_frames_come_once_and_in_order(format: Format) {
    let (meeting, mut sockets) = Meeting::of(format, 3).await;
    let host = sockets[0].member().to_owned();
    let lost = sockets.remove(1);
    let (epoch, seen) = (lost.epoch().to_owned(), lost.seq);
    lost.cut();
    for _ in 0..10 {
        sockets[1]
            .acked(json!({"followOther": {"target": host}}))
            .await;
        sockets[1].acked(json!({"cancelFollow": {}})).await;
    }
    let mut back = meeting.resume(1, &epoch, seen).await;
    assert_eq!(
        (&back.welcome["resumed"], back.welcome.get("snapshot")),
        (&json!(true), None)
    );
    assert_eq!(back.epoch(), epoch);
    let head = back.welcome["seq"].as_u64().expect("a head");
    assert!(head >= seen + 40, "{head}");
    back.catch_up(head).await;
    sockets[0].catch_up(head).await;
    let missed: Vec<Value> = sockets[0]
        .log
        .iter()
        .filter(|frame| (seen + 1..=head).contains(&seq(frame)))
        .cloned()
        .collect();
    assert_eq!(back.log, missed, "exactly what the others saw");
    back.acked(json!({"followOther": {"target": host}})).await;
}

async fn a_point_that_missed_no_frame_gets_none(format: Format) {
    let (meeting, mut sockets) = Meeting::of(format, 2).await;
    let lost = sockets.pop().expect("two");
    let (epoch, seen) = (lost.epoch().to_owned(), lost.seq);
    let mut back = meeting.resume(1, &epoch, seen).await;
    assert_eq!(
        (&back.welcome["resumed"], back.welcome["seq"].as_u64()),
        (&json!(true), Some(seen))
    );
    let answered = back.ask(json!({"cancelFollow": {}})).await;
    assert_eq!((answered.ack(), answered.before), (seen, Vec::new()));
    drop(lost);
}

async fn a_position_that_cannot_be_resumed_gives_a_snapshot(format: Format) {
    let (meeting, sockets) = Meeting::of(format, 2).await;
    let (epoch, seen) = (sockets[1].epoch().to_owned(), sockets[1].seq);
    let ahead = seen + 1_000;
    for query in [
        format!("epoch=another&seq={seen}"),
        format!("epoch={epoch}&seq={ahead}"),
        format!("epoch={epoch}&seq=abc"),
        format!("epoch={epoch}&seq=-1"),
        format!("epoch={epoch}&seq=99999999999999999999"),
        format!("epoch={epoch}"),
        format!("seq={seen}"),
        format!("epoch={}&seq={seen}", "e".repeat(300)),
        "epoch=&seq=".to_owned(),
        "%ff&&==".to_owned(),
    ] {
        let mut back = meeting
            .connect_at(1, &format!("{}?{query}", meeting.websocket_url))
            .await;
        assert_eq!(back.welcome.get("resumed"), None, "{query}");
        assert!(
            back.welcome["snapshot"]["faceSession"].is_object(),
            "{query}"
        );
        let seq = back.acked(json!({"cancelFollow": {}})).await;
        assert_eq!(seq, back.seq, "{query}");
    }
}

#[tokio::test]
async fn welcome_comes_before_anything_else_while_others_speak() {
    let (meeting, mut sockets) = Meeting::of(Format::Json, 2).await;
    let host = sockets[0].member().to_owned();
    let mut guest = sockets.pop().expect("two");
    let (epoch, seen) = (sockets[0].epoch().to_owned(), sockets[0].seq);
    let speaking = tokio::spawn(async move {
        for _ in 0..30 {
            guest.acked(json!({"followOther": {"target": host}})).await;
            guest.acked(json!({"cancelFollow": {}})).await;
        }
        guest
    });
    // The same point resumes repeatedly while frames are added. Each time it gets all missed
    // frames, without a gap.
    for _ in 0..10 {
        let mut back = meeting.resume(0, &epoch, seen).await;
        let head = back.welcome["seq"].as_u64().expect("a head");
        back.catch_up(head).await;
    }
    let guest = speaking.await.expect("it is heard");
    let mut back = meeting.resume(0, &epoch, seen).await;
    back.catch_up(guest.seq).await;
    let of_both = |frame: &&Value| seq(frame) > seen;
    assert_eq!(
        back.log.iter().filter(of_both).collect::<Vec<_>>(),
        guest.log.iter().filter(of_both).collect::<Vec<_>>()
    );
    assert!(
        matches!(sockets[0].close().await, (4009, _)),
        "the first socket was replaced"
    );
}
