//! The end of a session, and what its people hear afterwards.

use super::fixture::{StreamFixture, id, session_id};
use faceshare_biz::ErrorCode;
use faceshare_exec::{Input, State};
use std::time::Duration;

const END: Duration = Duration::from_secs(600);

async fn end(fixture: &StreamFixture) {
    fixture
        .propose(Input::End {
            by: Some(id("ann")),
        })
        .await
        .expect("ended");
    fixture.settle().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_is_the_last_frame_and_closes_everybody() {
    let fixture = StreamFixture::new().await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    end(&fixture).await;
    assert_eq!(
        [ann.words(), bob.words()],
        [["3 sessEnd", "closed SessionEnded"]; 2]
    );
    assert_eq!(
        fixture
            .propose(StreamFixture::retitled("New"))
            .await
            .expect_err("over")
            .code,
        ErrorCode::SessionEnded
    );
}

#[tokio::test(start_paused = true)]
async fn for_a_while_people_still_hear_what_they_missed_or_the_end_alone() {
    let fixture = StreamFixture::new().await;
    let [_ann, mut bob] = fixture.joined(["ann", "bob"]).await;
    let epoch = fixture.epoch().await;
    bob.hang_up();
    fixture.retitle("New").await;
    end(&fixture).await;
    fixture.wait(END - Duration::from_secs(1)).await;
    let (resumes, fresh, stranger) = (
        fixture.resume("bob", 1, &epoch, 2),
        fixture.connect("ann", 1),
        fixture.connect("eve", 1),
    );
    fixture.settle().await;
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
    fixture.wait(Duration::from_secs(2)).await;
    let late = fixture.connect("bob", 1);
    fixture.settle().await;
    assert_eq!(late.words(), ["closed SessionEnded"]);
}

#[tokio::test(start_paused = true)]
async fn no_client_is_told_of_an_end_that_the_log_does_not_have() {
    let fixture = StreamFixture::new().await;
    let [_ann, _bob] = fixture.joined(["ann", "bob"]).await;
    fixture.log.hold();
    let sessions = fixture.sessions.clone();
    let ending = tokio::spawn(async move {
        sessions
            .propose(session_id(), Input::End { by: None })
            .await
    });
    fixture.settle().await;
    let again = fixture.connect("bob", 1);
    fixture.settle().await;
    assert_eq!(again.words(), [""; 0]);
    fixture.log.open();
    fixture.settle().await;
    assert_eq!(
        again.words(),
        ["welcome at 2", "3 sessEnd", "closed SessionEnded"]
    );
    ending.await.expect("no panic").expect("ended");
}

#[tokio::test(start_paused = true)]
async fn a_slow_peer_is_not_cut_off_in_the_middle_of_what_it_missed() {
    let fixture = StreamFixture::new().await;
    let [_ann, mut bob] = fixture.joined(["ann", "bob"]).await;
    let epoch = fixture.epoch().await;
    bob.hang_up();
    for i in 0..700 {
        fixture.retitle(&format!("Title {i}")).await;
    }
    end(&fixture).await;
    let bob = fixture.resume("bob", 1, &epoch, 2);
    bob.stall();
    for _ in 0..20 {
        // Each page is taken within its time, all of them are not.
        fixture.wait(Duration::from_millis(1_500)).await;
        bob.read();
        tokio::task::yield_now().await;
        bob.stall();
    }
    bob.read();
    fixture.settle().await;
    let words = bob.words();
    assert_eq!(
        (words.len(), words.last().map(String::as_str)),
        (703, Some("closed SessionEnded"))
    );
}

#[tokio::test(start_paused = true)]
async fn an_ended_idle_session_is_unloaded_and_loaded_again_on_request() {
    let fixture = StreamFixture::new().await;
    let [mut ann] = fixture.joined(["ann"]).await;
    end(&fixture).await;
    ann.hang_up();
    fixture.wait(Duration::from_secs(8)).await;
    assert!(fixture.sessions.is_loaded(session_id()));
    fixture.wait(Duration::from_secs(12)).await;
    assert!(!fixture.sessions.is_loaded(session_id()));
    assert_eq!(fixture.log.loads(), 0);
    assert!(fixture.read(State::is_ended).await);
    assert_eq!(fixture.log.loads(), 1);
    assert!(fixture.read(State::is_ended).await);
    assert_eq!(fixture.log.loads(), 1, "and stays for a while");
}
