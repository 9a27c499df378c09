//! Who comes back hears exactly what it missed, or starts from a snapshot.

use super::fixture::StreamFixture;
use faceshare_biz::domain::instruction::Epoch;
use std::time::Duration;

async fn title_times(fixture: &StreamFixture, count: usize) {
    for i in 0..count {
        fixture
            .retitle(&format!("Title {i} {}", fixture.log.loads()))
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
    let fixture = StreamFixture::new().await;
    let [_ann, mut bob] = fixture.joined(["ann", "bob"]).await;
    let epoch = fixture.epoch().await;
    bob.hang_up();
    title_times(&fixture, 3).await;
    let bob = fixture.resume("bob", 1, &epoch, 2);
    fixture.settle().await;
    assert_eq!(
        bob.words(),
        [
            "resumed at 5",
            "3 sessionChange",
            "4 sessionChange",
            "5 sessionChange"
        ]
    );
    fixture.retitle("New").await;
    fixture.settle().await;
    assert_eq!(bob.words(), ["6 sessionChange"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_said_during_a_replay_follows_it_without_gap_or_overlap() {
    let fixture = StreamFixture::with(|s| s.queue_frames = 600).await;
    let [_ann, mut bob] = fixture.joined(["ann", "bob"]).await;
    let epoch = fixture.epoch().await;
    bob.hang_up();
    title_times(&fixture, 700).await;
    let bob = fixture.resume("bob", 1, &epoch, 2);
    bob.stall();
    fixture.settle().await;
    title_times(&fixture, 500).await;
    bob.read();
    fixture.settle().await;
    let words = bob.words();
    assert_eq!(
        words[0], "resumed at 702",
        "what was missed is not counted in its queue"
    );
    assert_eq!(seqs(&words), (3..=1_202).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_position_that_means_nothing_here_starts_from_a_snapshot() {
    let fixture = StreamFixture::new().await;
    let [_ann, bob] = fixture.joined(["ann", "bob"]).await;
    let (epoch, foreign) = (
        fixture.epoch().await,
        Epoch::new("another").expect("an epoch"),
    );
    for (epoch, seq) in [
        (&foreign, 1),
        (&foreign, 0),
        (&epoch, 3),
        (&epoch, u32::MAX),
    ] {
        let again = fixture.resume("bob", 1, epoch, seq);
        fixture.settle().await;
        assert_eq!(again.words(), ["welcome at 2"], "{epoch} {seq}");
    }
    assert_eq!(bob.words(), ["closed Replaced"]);
}

#[tokio::test(start_paused = true)]
async fn the_window_reaches_back_so_many_frames_and_no_further() {
    let fixture = StreamFixture::with(|s| s.resume.frames = 5).await;
    let [_ann, mut bob] = fixture.joined(["ann", "bob"]).await;
    let epoch = fixture.epoch().await;
    bob.hang_up();
    title_times(&fixture, 10).await;
    let far = fixture.resume("bob", 1, &epoch, 6);
    fixture.settle().await;
    assert_eq!(far.words(), ["welcome at 12"]);
    let near = fixture.resume("bob", 1, &epoch, 7);
    fixture.settle().await;
    assert_eq!(seqs(&near.words()), [8, 9, 10, 11, 12]);
}

#[tokio::test(start_paused = true)]
async fn the_window_reaches_back_so_long_and_no_longer_though_nothing_was_said_since() {
    let fixture = StreamFixture::new().await;
    let [_ann, _bob] = fixture.joined(["ann", "bob"]).await;
    let epoch = fixture.epoch().await;
    title_times(&fixture, 300).await;
    fixture.wait(Duration::from_secs(601)).await;
    let late = fixture.resume("bob", 1, &epoch, 100);
    fixture.settle().await;
    assert_eq!(late.words(), ["welcome at 302"]);
    let head = fixture.resume("bob", 1, &epoch, 302);
    fixture.settle().await;
    assert_eq!(head.words(), ["resumed at 302"]);
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_cannot_go_on_closes_as_restarting() {
    let fixture = StreamFixture::with(|s| s.recent_bytes = 0).await;
    let [_ann, mut bob] = fixture.joined(["ann", "bob"]).await;
    let epoch = fixture.epoch().await;
    bob.hang_up();
    title_times(&fixture, 3).await;
    fixture.log.set_unreadable(true);
    let bob = fixture.resume("bob", 1, &epoch, 2);
    fixture.settle().await;
    assert_eq!(bob.words(), ["resumed at 5", "closed Restarting"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_just_said_is_repeated_without_the_log() {
    let fixture = StreamFixture::new().await;
    let [_ann, mut bob] = fixture.joined(["ann", "bob"]).await;
    let epoch = fixture.epoch().await;
    bob.hang_up();
    title_times(&fixture, 3).await;
    fixture.log.set_unreadable(true);
    let bob = fixture.resume("bob", 1, &epoch, 3);
    fixture.settle().await;
    assert_eq!(
        bob.words(),
        ["resumed at 5", "4 sessionChange", "5 sessionChange"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_gap_in_what_the_log_returns_is_never_passed_on() {
    let fixture = StreamFixture::with(|s| s.recent_bytes = 0).await;
    let [_ann, mut bob] = fixture.joined(["ann", "bob"]).await;
    let epoch = fixture.epoch().await;
    bob.hang_up();
    title_times(&fixture, 3).await;
    fixture.log.leave_out(4);
    let bob = fixture.resume("bob", 1, &epoch, 2);
    fixture.settle().await;
    assert_eq!(bob.words(), ["resumed at 5", "closed Restarting"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_log_forgets_during_a_replay_is_no_gap() {
    let fixture = StreamFixture::with(|s| (s.resume.frames, s.queue_frames) = (300, 10_000)).await;
    let [_ann, mut bob] = fixture.joined(["ann", "bob"]).await;
    let epoch = fixture.epoch().await;
    bob.hang_up();
    title_times(&fixture, 290).await;
    let bob = fixture.resume("bob", 1, &epoch, 2);
    bob.stall();
    fixture.settle().await;
    title_times(&fixture, 900).await;
    bob.read();
    fixture.settle().await;
    assert_eq!(bob.words(), ["resumed at 292", "closed Restarting"]);
    let bob = fixture.resume("bob", 1, &epoch, 2);
    fixture.settle().await;
    assert_eq!(bob.words(), ["welcome at 1192"]);
}

#[tokio::test(start_paused = true)]
async fn a_resume_works_across_a_restart_of_the_process() {
    let fixture = StreamFixture::new().await;
    let [_ann, bob] = fixture.joined(["ann", "bob"]).await;
    let epoch = fixture.epoch().await;
    title_times(&fixture, 3).await;
    drop(bob);
    fixture.settle().await;
    let fixture = fixture.restarted(|_| {});
    let bob = fixture.resume("bob", 1, &epoch, 3);
    fixture.settle().await;
    assert_eq!(
        bob.words(),
        ["resumed at 5", "4 sessionChange", "5 sessionChange"]
    );
}
