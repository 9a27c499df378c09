//! Who comes back hears exactly what it missed, or starts from a snapshot.

use super::stage::Stage;
use faceshare_biz::domain::instruction::Epoch;
use std::time::Duration;

async fn title_times(stage: &Stage, count: usize) {
    for i in 0..count {
        stage
            .retitle(&format!("Title {i} {}", stage.log.loads()))
            .await;
    }
}

fn seqs(words: &[String]) -> Vec<u32> {
    words
        .iter()
        .filter_map(|word| word.split(' ').next()?.parse().ok())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_comes_once_and_in_order_and_then_what_is_new() {
    let stage = Stage::new().await;
    let [_ann, mut bob] = stage.joined(["ann", "bob"]).await;
    let epoch = stage.epoch().await;
    bob.hang_up();
    title_times(&stage, 3).await;
    let bob = stage.resume("bob", 1, &epoch, 2);
    stage.settle().await;
    assert_eq!(
        bob.words(),
        [
            "resumed at 5",
            "3 sessionChange",
            "4 sessionChange",
            "5 sessionChange"
        ]
    );
    stage.retitle("New").await;
    stage.settle().await;
    assert_eq!(bob.words(), ["6 sessionChange"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_said_during_a_replay_follows_it_without_gap_or_overlap() {
    let stage = Stage::with(|s| s.queue_frames = 600).await;
    let [_ann, mut bob] = stage.joined(["ann", "bob"]).await;
    let epoch = stage.epoch().await;
    bob.hang_up();
    title_times(&stage, 700).await;
    let bob = stage.resume("bob", 1, &epoch, 2);
    bob.stall();
    stage.settle().await;
    title_times(&stage, 500).await;
    bob.read();
    stage.settle().await;
    let words = bob.words();
    assert_eq!(
        words[0], "resumed at 702",
        "what was missed is not counted in its queue"
    );
    assert_eq!(seqs(&words), (3..=1_202).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_position_that_means_nothing_here_starts_from_a_snapshot() {
    let stage = Stage::new().await;
    let [_ann, bob] = stage.joined(["ann", "bob"]).await;
    let (epoch, foreign) = (
        stage.epoch().await,
        Epoch::new("another").expect("an epoch"),
    );
    for (epoch, seq) in [
        (&foreign, 1),
        (&foreign, 0),
        (&epoch, 3),
        (&epoch, u32::MAX),
    ] {
        let again = stage.resume("bob", 1, epoch, seq);
        stage.settle().await;
        assert_eq!(again.words(), ["welcome at 2"], "{epoch} {seq}");
    }
    assert_eq!(bob.words(), ["closed Replaced"]);
}

#[tokio::test(start_paused = true)]
async fn the_window_reaches_back_so_many_frames_and_no_further() {
    let stage = Stage::with(|s| s.resume.frames = 5).await;
    let [_ann, mut bob] = stage.joined(["ann", "bob"]).await;
    let epoch = stage.epoch().await;
    bob.hang_up();
    title_times(&stage, 10).await;
    let far = stage.resume("bob", 1, &epoch, 6);
    stage.settle().await;
    assert_eq!(far.words(), ["welcome at 12"]);
    let near = stage.resume("bob", 1, &epoch, 7);
    stage.settle().await;
    assert_eq!(seqs(&near.words()), [8, 9, 10, 11, 12]);
}

#[tokio::test(start_paused = true)]
async fn the_window_reaches_back_so_long_and_no_longer_though_nothing_was_said_since() {
    let stage = Stage::new().await;
    let [_ann, _bob] = stage.joined(["ann", "bob"]).await;
    let epoch = stage.epoch().await;
    title_times(&stage, 300).await;
    stage.wait(Duration::from_secs(601)).await;
    let late = stage.resume("bob", 1, &epoch, 100);
    stage.settle().await;
    assert_eq!(late.words(), ["welcome at 302"]);
    let head = stage.resume("bob", 1, &epoch, 302);
    stage.settle().await;
    assert_eq!(head.words(), ["resumed at 302"]);
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_cannot_go_on_closes_as_restarting() {
    let stage = Stage::with(|s| s.recent_bytes = 0).await;
    let [_ann, mut bob] = stage.joined(["ann", "bob"]).await;
    let epoch = stage.epoch().await;
    bob.hang_up();
    title_times(&stage, 3).await;
    stage.log.set_unreadable(true);
    let bob = stage.resume("bob", 1, &epoch, 2);
    stage.settle().await;
    assert_eq!(bob.words(), ["resumed at 5", "closed Restarting"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_just_said_is_repeated_without_the_log() {
    let stage = Stage::new().await;
    let [_ann, mut bob] = stage.joined(["ann", "bob"]).await;
    let epoch = stage.epoch().await;
    bob.hang_up();
    title_times(&stage, 3).await;
    stage.log.set_unreadable(true);
    let bob = stage.resume("bob", 1, &epoch, 3);
    stage.settle().await;
    assert_eq!(
        bob.words(),
        ["resumed at 5", "4 sessionChange", "5 sessionChange"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_gap_in_what_the_log_returns_is_never_passed_on() {
    let stage = Stage::with(|s| s.recent_bytes = 0).await;
    let [_ann, mut bob] = stage.joined(["ann", "bob"]).await;
    let epoch = stage.epoch().await;
    bob.hang_up();
    title_times(&stage, 3).await;
    stage.log.leave_out(4);
    let bob = stage.resume("bob", 1, &epoch, 2);
    stage.settle().await;
    assert_eq!(bob.words(), ["resumed at 5", "closed Restarting"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_log_forgets_during_a_replay_is_no_gap() {
    let stage = Stage::with(|s| (s.resume.frames, s.queue_frames) = (300, 10_000)).await;
    let [_ann, mut bob] = stage.joined(["ann", "bob"]).await;
    let epoch = stage.epoch().await;
    bob.hang_up();
    title_times(&stage, 290).await;
    let bob = stage.resume("bob", 1, &epoch, 2);
    bob.stall();
    stage.settle().await;
    title_times(&stage, 900).await;
    bob.read();
    stage.settle().await;
    assert_eq!(bob.words(), ["resumed at 292", "closed Restarting"]);
    let bob = stage.resume("bob", 1, &epoch, 2);
    stage.settle().await;
    assert_eq!(bob.words(), ["welcome at 1192"]);
}

#[tokio::test(start_paused = true)]
async fn a_resume_works_across_a_restart_of_the_process() {
    let stage = Stage::new().await;
    let [_ann, bob] = stage.joined(["ann", "bob"]).await;
    let epoch = stage.epoch().await;
    title_times(&stage, 3).await;
    drop(bob);
    stage.settle().await;
    let stage = stage.restarted(|_| {});
    let bob = stage.resume("bob", 1, &epoch, 3);
    stage.settle().await;
    assert_eq!(
        bob.words(),
        ["resumed at 5", "4 sessionChange", "5 sessionChange"]
    );
}
