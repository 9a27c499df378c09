//! The end of a session, and what its people hear afterwards.

use super::stage::{Stage, id, session_id};
use faceshare_biz::ErrorCode;
use faceshare_exec::{Input, State};
use std::time::Duration;

const END: Duration = Duration::from_secs(600);

async fn end(stage: &Stage) {
    stage
        .propose(Input::End {
            by: Some(id("ann")),
        })
        .await
        .expect("ended");
    stage.settle().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_is_the_last_frame_and_closes_everybody() {
    let stage = Stage::new().await;
    let [ann, bob] = stage.joined(["ann", "bob"]).await;
    end(&stage).await;
    assert_eq!(
        [ann.words(), bob.words()],
        [["3 sessEnd", "closed SessionEnded"]; 2]
    );
    assert_eq!(
        stage
            .propose(Stage::retitled("New"))
            .await
            .expect_err("over")
            .code,
        ErrorCode::SessionEnded
    );
}

#[tokio::test(start_paused = true)]
async fn for_a_while_people_still_hear_what_they_missed_or_the_end_alone() {
    let stage = Stage::new().await;
    let [_ann, mut bob] = stage.joined(["ann", "bob"]).await;
    let epoch = stage.epoch().await;
    bob.hang_up();
    stage.retitle("New").await;
    end(&stage).await;
    stage.wait(END - Duration::from_secs(1)).await;
    let (resumes, fresh, stranger) = (
        stage.resume("bob", 1, &epoch, 2),
        stage.connect("ann", 1),
        stage.connect("eve", 1),
    );
    stage.settle().await;
    assert_eq!(
        resumes.words(),
        [
            "resumed at 4",
            "3 sessionChange",
            "4 sessEnd",
            "closed SessionEnded"
        ]
    );
    assert_eq!(
        fresh.words(),
        ["welcome at 3", "4 sessEnd", "closed SessionEnded"]
    );
    assert_eq!(stranger.words(), ["closed Unauthenticated"]);
    stage.wait(Duration::from_secs(2)).await;
    let late = stage.connect("bob", 1);
    stage.settle().await;
    assert_eq!(late.words(), ["closed SessionEnded"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_hears_of_an_end_that_the_log_does_not_have() {
    let stage = Stage::new().await;
    let [_ann, _bob] = stage.joined(["ann", "bob"]).await;
    stage.log.hold();
    let sessions = stage.sessions.clone();
    let ending = tokio::spawn(async move {
        sessions
            .propose(session_id(), Input::End { by: None })
            .await
    });
    stage.settle().await;
    let again = stage.connect("bob", 1);
    stage.settle().await;
    assert_eq!(again.words(), [""; 0]);
    stage.log.open();
    stage.settle().await;
    assert_eq!(
        again.words(),
        ["welcome at 2", "3 sessEnd", "closed SessionEnded"]
    );
    ending.await.expect("no panic").expect("ended");
}

#[tokio::test(start_paused = true)]
async fn a_slow_peer_is_not_cut_off_in_the_middle_of_what_it_missed() {
    let stage = Stage::new().await;
    let [_ann, mut bob] = stage.joined(["ann", "bob"]).await;
    let epoch = stage.epoch().await;
    bob.hang_up();
    for i in 0..700 {
        stage.retitle(&format!("Title {i}")).await;
    }
    end(&stage).await;
    let bob = stage.resume("bob", 1, &epoch, 2);
    bob.stall();
    for _ in 0..20 {
        // Each page is taken within its time, all of them are not.
        stage.wait(Duration::from_millis(1_500)).await;
        bob.read();
        tokio::task::yield_now().await;
        bob.stall();
    }
    bob.read();
    stage.settle().await;
    let words = bob.words();
    assert_eq!(
        (words.len(), words.last().map(String::as_str)),
        (703, Some("closed SessionEnded"))
    );
}

#[tokio::test(start_paused = true)]
async fn an_ended_session_that_nobody_needs_is_let_go_and_comes_back_when_asked() {
    let stage = Stage::new().await;
    let [mut ann] = stage.joined(["ann"]).await;
    end(&stage).await;
    ann.hang_up();
    stage.wait(Duration::from_secs(8)).await;
    assert!(stage.sessions.is_loaded(session_id()));
    stage.wait(Duration::from_secs(12)).await;
    assert!(!stage.sessions.is_loaded(session_id()));
    assert_eq!(stage.log.loads(), 0);
    assert!(stage.read(State::is_ended).await);
    assert_eq!(stage.log.loads(), 1);
    assert!(stage.read(State::is_ended).await);
    assert_eq!(stage.log.loads(), 1, "and stays for a while");
}
