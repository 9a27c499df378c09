//! The log fails: before it wrote, after it wrote, because somebody else wrote, or altogether.

use super::log::Fault;
use super::stage::{Stage, follow, follow_me, id, point};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{Command, Invite};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_failed_append_refuses_and_leaves_the_state_as_the_log_has_it() {
    let stage = Stage::new().await;
    let [ann, bob] = stage.joined(["ann", "bob"]).await;
    stage.log.fail(Fault::Before);
    bob.ask(1, follow_me(Invite::On));
    stage.wait(Duration::from_secs(1)).await;
    assert_eq!(bob.words(), ["nack 1 UNAVAILABLE"]);
    assert_eq!((ann.words(), stage.presenter().await), (vec![], None));

    bob.ask(2, follow_me(Invite::Ask));
    stage.settle().await;
    assert_eq!(
        bob.words(),
        ["3 followMe", "4 followChange", "ack 2 at 3"],
        "the seq of what failed is used anew"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_gathered_behind_a_failed_append_is_refused_with_it() {
    let stage = Stage::new().await;
    let [ann, bob] = stage.joined(["ann", "bob"]).await;
    stage.log.hold();
    stage.log.fail(Fault::Before);
    bob.ask(1, follow_me(Invite::On));
    stage.settle().await;
    bob.ask(2, Command::CancelFollowMe);
    bob.ask(3, Command::CancelFollowMe);
    stage.settle().await;
    stage.log.open();
    stage.wait(Duration::from_secs(1)).await;
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
    let stage = Stage::new().await;
    let [ann, bob] = stage.joined(["ann", "bob"]).await;
    ann.ask(0, follow("bob"));
    stage.settle().await;
    ann.words();
    stage.log.fail(Fault::Before);
    bob.ask(1, follow_me(Invite::On));
    stage.settle().await;
    bob.position("view", 1, 0.1);
    stage.wait(Duration::from_secs(1)).await;
    assert_eq!(ann.words(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_entry_failed_is_unavailable() {
    let stage = Stage::new().await;
    stage.log.fail(Fault::Before);
    let error = stage
        .propose(Stage::retitled("New"))
        .await
        .expect_err("not written");
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert_eq!(
        stage
            .read(|s| s.face_session().title.as_str().to_owned())
            .await,
        "Talk"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_in_the_log_after_all_is_told_as_done() {
    let stage = Stage::new().await;
    let [ann, bob] = stage.joined(["ann", "bob"]).await;
    stage.seat("cat", 1).await;
    stage.log.fail(Fault::After);
    bob.ask(1, follow_me(Invite::Ask));
    stage.wait(Duration::from_secs(1)).await;
    assert_eq!(bob.words(), ["3 followMe", "4 followChange", "ack 1 at 3"]);
    assert_eq!(ann.words(), ["3 followMe", "4 followChange"]);

    stage.log.fail(Fault::After);
    let cat = stage.connect("cat", 1);
    stage.wait(Duration::from_secs(1)).await;
    assert_eq!(cat.words(), ["welcome at 5"]);
    stage.log.fail(Fault::After);
    stage
        .propose(Stage::retitled("New"))
        .await
        .expect("renamed");
}

#[tokio::test(start_paused = true)]
async fn who_connects_while_the_log_fails_is_refused_and_never_was_here() {
    let stage = Stage::new().await;
    let [ann] = stage.joined(["ann"]).await;
    stage.seat("cat", 1).await;
    stage.log.fail(Fault::Before);
    let cat = stage.connect("cat", 1);
    stage.wait(Duration::from_secs(1)).await;
    assert_eq!(cat.words(), ["closed Restarting"]);
    assert!(stage.read(|s| s.presence(id("cat")).is_none()).await);
    stage.wait(Duration::from_secs(60)).await;
    assert_eq!(ann.words(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_point_whose_loss_was_not_logged_is_lost_after_all() {
    let stage = Stage::new().await;
    let [ann, mut bob] = stage.joined(["ann", "bob"]).await;
    stage.log.fail(Fault::Before);
    bob.hang_up();
    stage.wait(Duration::from_secs(5)).await;
    assert_eq!(ann.words(), ["3 memberChange"], "told after the debounce");
    stage.wait(Duration::from_secs(40)).await;
    assert_eq!(ann.words(), ["4 quit"]);
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_was_not_logged_leaves_no_ghost() {
    let stage = Stage::new().await;
    let [ann, mut bob] = stage.joined(["ann", "bob"]).await;
    stage.log.hold();
    stage.log.fail(Fault::Before);
    let again = stage.connect("bob", 1);
    stage.settle().await;
    bob.hang_up();
    stage.settle().await;
    stage.log.open();
    stage.wait(Duration::from_secs(5)).await;
    assert_eq!(again.words(), ["closed Restarting"]);
    assert_eq!(ann.words(), ["3 memberChange"]);
    assert!(
        stage
            .read(|s| s
                .presence(id("bob"))
                .is_some_and(|p| !p.points.contains_key(&point("bob", 1))))
            .await
    );
}

#[tokio::test(start_paused = true)]
async fn a_log_that_goes_on_failing_is_not_asked_without_a_pause() {
    let stage = Stage::new().await;
    let [_ann, mut bob] = stage.joined(["ann", "bob"]).await;
    stage.log.batches();
    for _ in 0..1_000 {
        stage.log.fail(Fault::Before);
    }
    bob.hang_up();
    stage.wait(Duration::from_secs(60)).await;
    assert!((10..100).contains(&stage.log.batches().len()));
}

#[tokio::test(start_paused = true)]
async fn when_somebody_else_wrote_everybody_comes_back_to_what_the_log_says() {
    let stage = Stage::new().await;
    let [ann, bob] = stage.joined(["ann", "bob"]).await;
    stage.log.fail(Fault::Conflict);
    bob.ask(1, follow_me(Invite::On));
    stage.settle().await;
    assert_eq!(
        [ann.words(), bob.words()],
        [["closed Internal"], ["closed Internal"]],
        "never a frame, and never an ack"
    );
    let ann = stage.connect("ann", 1);
    stage.settle().await;
    assert_eq!(ann.words(), ["welcome at 2"]);
    assert_eq!(stage.presenter().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_read_back_ends_the_session_here_until_it_can() {
    let stage = Stage::new().await;
    let [ann, bob] = stage.joined(["ann", "bob"]).await;
    stage.log.fail(Fault::After);
    stage.log.set_unloadable(true);
    bob.ask_once(1, 7, follow_me(Invite::Ask));
    stage.wait(Duration::from_secs(1)).await;
    assert_eq!(
        [ann.words(), bob.words()],
        [["closed Internal"], ["closed Internal"]],
        "what is not known is not refused"
    );
    let bob = stage.connect("bob", 1);
    stage.settle().await;
    assert_eq!(bob.words(), ["closed Restarting"]);

    stage.log.set_unloadable(false);
    let bob = stage.connect("bob", 1);
    stage.settle().await;
    assert_eq!(bob.words(), ["welcome at 4"]);
    bob.ask_once(2, 7, follow_me(Invite::Ask));
    stage.settle().await;
    assert_eq!(bob.words(), ["ack 2 at 3"], "it took effect, once");
}
