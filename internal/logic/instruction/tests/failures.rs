//! The log fails: before the write, after it, because another writer appended, or always.

use super::fixture::{StreamFixture, follow, follow_me, id, point};
use super::log::Fault;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{Command, Invite};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_failed_append_refuses_and_leaves_the_state_as_the_log_has_it() {
    let fixture = StreamFixture::new().await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    fixture.log.fail(Fault::Before);
    bob.ask(1, follow_me(Invite::On));
    fixture.wait(Duration::from_secs(1)).await;
    assert_eq!(bob.words(), ["nack 1 UNAVAILABLE"]);
    assert_eq!((ann.words(), fixture.presenter().await), (vec![], None));

    bob.ask(2, follow_me(Invite::Ask));
    fixture.settle().await;
    assert_eq!(
        bob.words(),
        ["3 followMe", "4 followChange", "ack 2 at 3"],
        "the seq of the failed entry is used again"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_gathered_behind_a_failed_append_is_refused_with_it() {
    let fixture = StreamFixture::new().await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    fixture.log.hold();
    fixture.log.fail(Fault::Before);
    bob.ask(1, follow_me(Invite::On));
    fixture.settle().await;
    bob.ask(2, Command::CancelFollowMe);
    bob.ask(3, Command::CancelFollowMe);
    fixture.settle().await;
    fixture.log.open();
    fixture.wait(Duration::from_secs(1)).await;
    assert_eq!(
        bob.words(),
        [
            "nack 1 UNAVAILABLE",
            "nack 2 UNAVAILABLE",
            "nack 3 UNAVAILABLE"
        ],
        "a refusal that rests on it too"
    );
    assert_eq!(ann.words(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn no_position_is_shown_that_speaks_in_a_term_which_the_log_did_not_take() {
    let fixture = StreamFixture::new().await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    ann.ask(0, follow("bob"));
    fixture.settle().await;
    ann.words();
    fixture.log.fail(Fault::Before);
    bob.ask(1, follow_me(Invite::On));
    fixture.settle().await;
    bob.position("view", 1, 0.1);
    fixture.wait(Duration::from_secs(1)).await;
    assert_eq!(ann.words(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_entry_failed_is_unavailable() {
    let fixture = StreamFixture::new().await;
    fixture.log.fail(Fault::Before);
    let error = fixture
        .propose(StreamFixture::retitled("New"))
        .await
        .expect_err("not written");
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert_eq!(
        fixture
            .read(|s| s.face_session().title.as_str().to_owned())
            .await,
        "Talk"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_in_the_log_after_all_is_told_as_done() {
    let fixture = StreamFixture::new().await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    fixture.seat("cat", 1).await;
    fixture.log.fail(Fault::After);
    bob.ask(1, follow_me(Invite::Ask));
    fixture.wait(Duration::from_secs(1)).await;
    assert_eq!(bob.words(), ["3 followMe", "4 followChange", "ack 1 at 3"]);
    assert_eq!(ann.words(), ["3 followMe", "4 followChange"]);

    fixture.log.fail(Fault::After);
    let cat = fixture.connect("cat", 1);
    fixture.wait(Duration::from_secs(1)).await;
    assert_eq!(cat.words(), ["welcome at 5"]);
    fixture.log.fail(Fault::After);
    fixture
        .propose(StreamFixture::retitled("New"))
        .await
        .expect("renamed");
}

#[tokio::test(start_paused = true)]
async fn who_connects_while_the_log_fails_is_refused_and_never_was_here() {
    let fixture = StreamFixture::new().await;
    let [ann] = fixture.joined(["ann"]).await;
    fixture.seat("cat", 1).await;
    fixture.log.fail(Fault::Before);
    let cat = fixture.connect("cat", 1);
    fixture.wait(Duration::from_secs(1)).await;
    assert_eq!(cat.words(), ["closed Restarting"]);
    assert!(fixture.read(|s| s.presence(id("cat")).is_none()).await);
    fixture.wait(Duration::from_secs(60)).await;
    assert_eq!(ann.words(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_point_whose_loss_was_not_logged_is_lost_after_all() {
    let fixture = StreamFixture::new().await;
    let [ann, mut bob] = fixture.joined(["ann", "bob"]).await;
    fixture.log.fail(Fault::Before);
    bob.hang_up();
    fixture.wait(Duration::from_secs(5)).await;
    assert_eq!(ann.words(), ["3 memberChange"], "told after the debounce");
    fixture.wait(Duration::from_secs(40)).await;
    assert_eq!(ann.words(), ["4 quit"]);
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_was_not_logged_leaves_no_ghost() {
    let fixture = StreamFixture::new().await;
    let [ann, mut bob] = fixture.joined(["ann", "bob"]).await;
    fixture.log.hold();
    fixture.log.fail(Fault::Before);
    let again = fixture.connect("bob", 1);
    fixture.settle().await;
    bob.hang_up();
    fixture.settle().await;
    fixture.log.open();
    fixture.wait(Duration::from_secs(5)).await;
    assert_eq!(again.words(), ["closed Restarting"]);
    assert_eq!(ann.words(), ["3 memberChange"]);
    assert!(
        fixture
            .read(|s| s
                .presence(id("bob"))
                .is_some_and(|p| !p.points.contains_key(&point("bob", 1))))
            .await
    );
}

#[tokio::test(start_paused = true)]
async fn a_log_that_goes_on_failing_is_not_asked_without_a_pause() {
    let fixture = StreamFixture::new().await;
    let [_ann, mut bob] = fixture.joined(["ann", "bob"]).await;
    fixture.log.batches();
    for _ in 0..1_000 {
        fixture.log.fail(Fault::Before);
    }
    bob.hang_up();
    fixture.wait(Duration::from_secs(60)).await;
    assert!((10..100).contains(&fixture.log.batches().len()));
}

#[tokio::test(start_paused = true)]
async fn after_another_writer_appended_all_clients_reconnect_to_the_state_of_the_log() {
    let fixture = StreamFixture::new().await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    fixture.log.fail(Fault::Conflict);
    bob.ask(1, follow_me(Invite::On));
    fixture.settle().await;
    assert_eq!(
        [ann.words(), bob.words()],
        [["closed Internal"], ["closed Internal"]],
        "never a frame, and never an ack"
    );
    let ann = fixture.connect("ann", 1);
    fixture.settle().await;
    assert_eq!(ann.words(), ["welcome at 2"]);
    assert_eq!(fixture.presenter().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_read_back_ends_the_session_here_until_it_can() {
    let fixture = StreamFixture::new().await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    fixture.log.fail(Fault::After);
    fixture.log.set_unloadable(true);
    bob.ask_once(1, 7, follow_me(Invite::Ask));
    fixture.wait(Duration::from_secs(1)).await;
    assert_eq!(
        [ann.words(), bob.words()],
        [["closed Internal"], ["closed Internal"]],
        "what is not known is not refused"
    );
    let bob = fixture.connect("bob", 1);
    fixture.settle().await;
    assert_eq!(bob.words(), ["closed Restarting"]);

    fixture.log.set_unloadable(false);
    let bob = fixture.connect("bob", 1);
    fixture.settle().await;
    assert_eq!(bob.words(), ["welcome at 4"]);
    bob.ask_once(2, 7, follow_me(Invite::Ask));
    fixture.settle().await;
    assert_eq!(bob.words(), ["ack 2 at 3"], "it took effect, once");
}
