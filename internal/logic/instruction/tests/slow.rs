//! A receiver that does not keep up is closed, holds little, and harms nobody.

use super::stage::Stage;
use faceshare_biz::domain::instruction::CloseReason;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn too_many_frames_or_bytes_close_the_one_that_does_not_read_and_nobody_else() {
    for (frames, bytes, padding) in [(8, 1 << 20, 0), (1_000, 4_096, 500)] {
        let stage = Stage::with(|s| (s.queue_frames, s.queue_bytes) = (frames, bytes)).await;
        let [ann, bob] = stage.joined(["ann", "bob"]).await;
        stage.codec.pad(padding);
        bob.stall();
        for i in 0..20 {
            stage.retitle(&format!("Title {i}")).await;
        }
        assert_eq!(ann.words().len(), 20);
        stage.wait(Duration::from_secs(5)).await;
        assert_eq!(ann.words(), ["23 memberChange"], "the slow one is gone after the debounce");
        bob.read();
        stage.settle().await;
        assert!(bob.words().len() <= 1, "nothing was kept for it");
        drop(bob);
        stage.settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_that_reads_again_in_time_hears_why() {
    let stage = Stage::with(|s| s.queue_frames = 8).await;
    let [_ann, bob] = stage.joined(["ann", "bob"]).await;
    bob.stall();
    for i in 0..20 {
        stage.retitle(&format!("Title {i}")).await;
    }
    bob.read();
    stage.settle().await;
    assert_eq!(bob.words().last(), Some(&format!("closed {:?}", CloseReason::TooSlow)));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_take_its_close_is_cut_off() {
    let stage = Stage::new().await;
    let [_ann, bob] = stage.joined(["ann", "bob"]).await;
    bob.stall();
    let _again = stage.connect("bob", 1);
    stage.wait(Duration::from_secs(7)).await;
    assert!(bob.served.is_finished());
}
