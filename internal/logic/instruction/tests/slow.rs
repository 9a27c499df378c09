//! A receiver that does not keep up is closed, holds little, and harms nobody.

use super::socket::Way;
use super::stage::{Stage, follow, id};
use crate::instruction::connclient::Incoming;
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::instruction::{
    CloseReason, FrameCodec, Notice, Seq, ServerFrame, WireFormat,
};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn too_many_frames_or_bytes_close_the_one_that_does_not_read_and_nobody_else() {
    for (frames, bytes, padding, way) in [
        (8, 1 << 20, 0, Way::Direct),
        (1_000, 4_096, 500, Way::Direct),
        (8, 1 << 20, 0, Way::Task),
    ] {
        let stage = Stage::with(|s| (s.queue_frames, s.queue_bytes) = (frames, bytes))
            .await
            .writing(way);
        let [ann, bob] = stage.joined(["ann", "bob"]).await;
        stage.codec.pad(padding);
        bob.stall();
        for i in 0..20 {
            stage.retitle(&format!("Title {i}")).await;
        }
        assert_eq!(ann.words().len(), 20);
        stage.wait(Duration::from_secs(5)).await;
        assert_eq!(
            ann.words(),
            ["23 memberChange"],
            "the slow one is gone after the debounce"
        );
        bob.read();
        stage.settle().await;
        assert!(bob.words().len() <= 1, "nothing was kept for it");
        drop(bob);
        stage.settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_that_reads_again_in_time_hears_why() {
    for way in Way::ALL {
        let stage = Stage::with(|s| s.queue_frames = 8).await.writing(way);
        let [_ann, bob] = stage.joined(["ann", "bob"]).await;
        bob.stall();
        for i in 0..20 {
            stage.retitle(&format!("Title {i}")).await;
        }
        bob.read();
        stage.settle().await;
        assert_eq!(
            bob.words().last(),
            Some(&format!("closed {:?}", CloseReason::TooSlow))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_take_its_close_is_cut_off() {
    for way in Way::ALL {
        let stage = Stage::new().await.writing(way);
        let [_ann, bob] = stage.joined(["ann", "bob"]).await;
        bob.stall();
        let _again = stage.connect("bob", 1);
        stage.wait(Duration::from_secs(7)).await;
        assert!(bob.served.is_finished(), "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_reads_again_is_shown_the_newest_and_not_the_backlog() {
    for way in Way::ALL {
        let stage = Stage::with(|s| s.actions_per_second = 1_000)
            .await
            .writing(way);
        let [ann, bob] = stage.joined(["ann", "bob"]).await;
        bob.ask(1, follow("ann"));
        stage.settle().await;
        bob.words();
        bob.stall();
        for x in 1..=9 {
            ann.position("view", 0, f64::from(x) / 10.0);
            stage.wait(Duration::from_millis(50)).await;
        }
        stage.retitle("While it slept").await;
        bob.read();
        stage.settle().await;
        let words = bob.words();
        let newest = format!("view of {} is 0.9", id("ann"));
        assert!(
            words.contains(&newest) && words.len() <= 3,
            "{way:?}: {words:?}"
        );
        if way == Way::Direct {
            assert_eq!(
                words.len(),
                2,
                "nothing was taken before there was room: {words:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_answered_and_a_goodbye_too() {
    for way in Way::ALL {
        let stage = Stage::new().await.writing(way);
        let [_ann, bob] = stage.joined(["ann", "bob"]).await;
        let ack = |id| {
            ServerFrame::notice(
                Timestamp::from_millis(0),
                Notice::Ack { id, seq: Seq::NONE },
            )
        };
        let answer = |id| stage.codec.encode(WireFormat::Proto, &ack(id));
        bob.send(Incoming::Probe(answer(1)));
        bob.send(Incoming::CloseFrame(answer(2)));
        stage.settle().await;
        assert_eq!(bob.words(), ["ack 1 at 0", "ack 2 at 0"], "{way:?}");
        assert!(bob.served.is_finished(), "{way:?}");
    }
}
