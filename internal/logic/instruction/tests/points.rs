//! Points come, are replaced, are removed, and go.

use super::fixture::{StreamFixture, id, point};
use crate::account::AccountObserver as _;
use crate::instruction::connclient::Incoming;
use faceshare_biz::domain::instruction::{Command, Invite};
use faceshare_exec::Input;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_replaced_connection_is_told_so_and_its_late_loss_changes_nothing() {
    let fixture = StreamFixture::new().await;
    let [ann, mut bob] = fixture.joined(["ann", "bob"]).await;
    let again = fixture.connect("bob", 1);
    fixture.settle().await;
    assert_eq!(bob.words(), ["closed Replaced"]);
    assert_eq!(again.words(), ["welcome at 2"]);
    bob.hang_up();
    fixture.wait(Duration::from_secs(60)).await;
    assert!(bob.served.is_finished());
    assert_eq!(ann.words(), [""; 0]);
    again.ask(1, super::fixture::follow_me(Invite::Ask));
    fixture.settle().await;
    assert_eq!(again.words().last().map(String::as_str), Some("ack 1 at 3"));
}

#[tokio::test(start_paused = true)]
async fn a_return_within_the_debounce_is_not_announced() {
    let fixture = StreamFixture::new().await;
    let [ann, mut bob] = fixture.joined(["ann", "bob"]).await;
    bob.hang_up();
    fixture.wait(Duration::from_millis(1_500)).await;
    let again = fixture.connect("bob", 1);
    fixture.wait(Duration::from_secs(60)).await;
    assert_eq!(
        (ann.words(), again.words()),
        (vec![], vec!["welcome at 2".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_removed_hears_it_and_may_not_come_back() {
    let fixture = StreamFixture::new().await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    fixture
        .propose(Input::Remove {
            by: id("ann"),
            member: id("bob"),
        })
        .await
        .expect("removed");
    fixture.settle().await;
    assert_eq!(
        (bob.words(), ann.words()),
        (
            vec!["3 quit".to_owned(), "closed Removed".into()],
            vec!["3 quit".to_owned()]
        )
    );
    let again = fixture.connect("bob", 1);
    fixture.settle().await;
    assert_eq!(again.words(), ["closed Removed"]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_to_connect_waits_for_the_log_too() {
    let fixture = StreamFixture::new().await;
    let [_ann, _bob] = fixture.joined(["ann", "bob"]).await;
    fixture.log.hold();
    let sessions = fixture.sessions.clone();
    let remove = Input::Remove {
        by: id("ann"),
        member: id("bob"),
    };
    let removed =
        tokio::spawn(async move { sessions.propose(super::fixture::session_id(), remove).await });
    fixture.settle().await;
    let again = fixture.connect("bob", 1);
    fixture.settle().await;
    assert_eq!(again.words(), [""; 0]);
    fixture.log.open();
    fixture.settle().await;
    assert_eq!(again.words(), ["closed Removed"]);
    removed.await.expect("no panic").expect("removed");
}

#[tokio::test(start_paused = true)]
async fn who_left_over_http_is_closed_and_welcome_again() {
    let fixture = StreamFixture::new().await;
    let [_ann, bob] = fixture.joined(["ann", "bob"]).await;
    fixture
        .propose(Input::HttpQuit { member: id("bob") })
        .await
        .expect("left");
    fixture.settle().await;
    assert_eq!(bob.words(), ["3 httpQuit", "closed Left"]);
    let again = fixture.connect("bob", 1);
    fixture.settle().await;
    assert_eq!(again.words(), ["welcome at 4"]);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_is_refused() {
    let fixture = StreamFixture::new().await;
    let eve = fixture.connect("eve", 1);
    fixture.settle().await;
    assert_eq!(eve.words(), ["closed Unauthenticated"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_replaced_connection_still_says_is_nobodys() {
    let fixture = StreamFixture::new().await;
    let [_ann, bob] = fixture.joined(["ann", "bob"]).await;
    fixture.log.hold();
    let again = fixture.connect("bob", 1);
    fixture.settle().await;
    bob.ask(1, Command::Quit);
    fixture.log.open();
    fixture.settle().await;
    assert_eq!(again.words()[0], "welcome at 2");
    bob.ask(2, Command::Quit);
    fixture.settle().await;
    assert_eq!(
        bob.words().last().map(String::as_str),
        Some("closed Replaced")
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_vanishes_while_it_is_being_closed_ends_all_the_same() {
    let fixture = StreamFixture::new().await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    bob.stall();
    fixture.retitle("One").await;
    fixture.settle().await;
    bob.send(Incoming::Broken);
    bob.vanish();
    fixture.wait(Duration::from_secs(10)).await;
    assert!(
        bob.served.is_finished(),
        "neither half can go on, so the connection is over"
    );
    assert_eq!(ann.words(), ["3 sessionChange", "4 memberChange"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_session_counts_its_points_once() {
    let fixture = StreamFixture::new().await;
    let [_ann, mut bob] = fixture.joined(["ann", "bob"]).await;
    fixture.seat("bob", 2).await;
    let second = fixture.connect("bob", 2);
    let _replaces = fixture.connect("bob", 1);
    fixture.settle().await;
    assert_eq!(fixture.sessions.points().len(), 3);
    bob.hang_up();
    fixture.wait(Duration::from_secs(5)).await;
    assert_eq!(fixture.sessions.points().len(), 3);
    assert!(
        fixture
            .read(|s| s
                .presence(id("bob"))
                .is_some_and(|p| p.points.contains_key(&point("bob", 2))))
            .await
    );
    drop(second);
    fixture.settle().await;
    assert_eq!(fixture.sessions.points().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn whose_account_is_deleted_as_it_connects_leaves_all_the_same() {
    let fixture = StreamFixture::new().await;
    let [ann, mut bob] = fixture.joined(["ann", "bob"]).await;
    bob.hang_up();
    fixture.settle().await;
    fixture.log.hold();
    let again = fixture.connect("bob", 1);
    fixture.settle().await;
    // It is no point yet: the deletion does not find it.
    fixture.sessions.deleted(id("bob")).await;
    fixture.log.open();
    fixture.settle().await;
    assert_eq!(ann.words(), ["3 httpQuit"]);
    assert_eq!(
        again.words().last().map(String::as_str),
        Some("closed Unauthenticated")
    );
}
