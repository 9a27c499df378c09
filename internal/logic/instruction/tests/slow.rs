//! A receiver that does not keep up is closed, uses little memory, and does not slow the others
//! down.

use super::fixture::{StreamFixture, follow, id};
use super::socket::Way;
use crate::instruction::connclient::Incoming;
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::instruction::{
    CloseReason, FrameCodec, Notice, Seq, ServerFrame, WireFormat,
};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn too_many_queued_frames_or_bytes_close_only_the_receiver_that_does_not_read() {
    for (frames, bytes, padding, way) in [
        (8, 1 << 20, 0, Way::Direct),
        (1_000, 4_096, 500, Way::Direct),
        (8, 1 << 20, 0, Way::Task),
    ] {
        let fixture = StreamFixture::with(|s| (s.queue_frames, s.queue_bytes) = (frames, bytes))
            .await
            .writing(way);
        let [ann, bob] = fixture.joined(["ann", "bob"]).await;
        fixture.codec.pad(padding);
        bob.stall();
        for i in 0..20 {
            fixture.retitle(&format!("Title {i}")).await;
        }
        assert_eq!(ann.words().len(), 20);
        fixture.wait(Duration::from_secs(5)).await;
        assert_eq!(
            ann.words(),
            ["23 memberChange"],
            "the slow one is gone after the debounce"
        );
        bob.read();
        fixture.settle().await;
        assert!(bob.words().len() <= 1, "nothing was kept for it");
        drop(bob);
        fixture.settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_that_reads_again_in_time_hears_why() {
    for way in Way::ALL {
        let fixture = StreamFixture::with(|s| s.queue_frames = 8)
            .await
            .writing(way);
        let [_ann, bob] = fixture.joined(["ann", "bob"]).await;
        bob.stall();
        for i in 0..20 {
            fixture.retitle(&format!("Title {i}")).await;
        }
        bob.read();
        fixture.settle().await;
        assert_eq!(
            bob.words().last(),
            Some(&format!("closed {:?}", CloseReason::TooSlow))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_take_its_close_is_cut_off() {
    for way in Way::ALL {
        let fixture = StreamFixture::new().await.writing(way);
        let [_ann, bob] = fixture.joined(["ann", "bob"]).await;
        bob.stall();
        let _again = fixture.connect("bob", 1);
        fixture.wait(Duration::from_secs(7)).await;
        assert!(bob.served.is_finished(), "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_reads_again_gets_the_newest_position_and_no_backlog() {
    for way in Way::ALL {
        let fixture = StreamFixture::with(|s| s.actions_per_second = 1_000)
            .await
            .writing(way);
        let [ann, bob] = fixture.joined(["ann", "bob"]).await;
        bob.ask(1, follow("ann"));
        fixture.settle().await;
        bob.words();
        bob.stall();
        for x in 1..=9 {
            ann.position("view", 0, f64::from(x) / 10.0);
            fixture.wait(Duration::from_millis(50)).await;
        }
        fixture.retitle("While it slept").await;
        bob.read();
        fixture.settle().await;
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
async fn pings_and_close_frames_are_answered() {
    for way in Way::ALL {
        let fixture = StreamFixture::new().await.writing(way);
        let [_ann, bob] = fixture.joined(["ann", "bob"]).await;
        let ack = |id| {
            ServerFrame::notice(
                Timestamp::from_millis(0),
                Notice::Ack { id, seq: Seq::NONE },
            )
        };
        let answer = |id| fixture.codec.encode(WireFormat::Proto, &ack(id));
        bob.send(Incoming::Probe(answer(1)));
        bob.send(Incoming::CloseFrame(answer(2)));
        fixture.settle().await;
        assert_eq!(bob.words(), ["ack 1 at 0", "ack 2 at 0"], "{way:?}");
        assert!(bob.served.is_finished(), "{way:?}");
    }
}
