//! A bug panics in the actor or in a connection: nobody is left hanging, and nothing that was acknowledged is lost.

use super::stage::{Stage, follow, follow_me, id, session_id};
use crate::instruction::connclient::Incoming;
use bytes::Bytes;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{Event, Invite, Notice, Statement};
use faceshare_exec::{PlantedFault, State, plant};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_panic_while_telling_closes_everybody_and_the_session_comes_back_from_its_log() {
    let stage = Stage::new().await;
    let [ann, bob] = stage.joined(["ann", "bob"]).await;
    let epoch = stage.epoch().await;
    stage
        .codec
        .panic_once_at(|frame| matches!(frame.statement, Statement::Event(Event::FollowMe { .. })));
    bob.ask_once(1, 7, follow_me(Invite::Ask));
    stage.settle().await;
    assert_eq!(
        [ann.words(), bob.words()],
        [["closed Internal"], ["closed Internal"]]
    );
    assert!(stage.sessions.points().is_empty());

    let (ann, bob) = (
        stage.resume("ann", 1, &epoch, 2),
        stage.resume("bob", 1, &epoch, 2),
    );
    stage.settle().await;
    assert_eq!(
        [ann.words(), bob.words()],
        [["resumed at 4", "3 followMe", "4 followChange"]; 2]
    );
    bob.ask_once(2, 7, follow_me(Invite::Ask));
    stage.settle().await;
    assert_eq!(bob.words(), ["ack 2 at 3"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_over_a_position_closes_everybody_too_though_it_is_the_senders_task_that_panics() {
    let stage = Stage::new().await;
    let [ann, bob] = stage.joined(["ann", "bob"]).await;
    ann.ask(1, follow("bob"));
    stage.settle().await;
    let epoch = stage.epoch().await;
    ann.words();
    stage
        .codec
        .panic_once_at(|frame| matches!(frame.statement, Statement::Notice(Notice::ActionSync(_))));
    bob.position("view", 0, 0.1);
    stage.settle().await;
    assert!(bob.served.is_finished());
    assert_eq!(ann.words(), ["closed Internal"]);

    let (ann, bob) = (
        stage.resume("ann", 1, &epoch, 3),
        stage.resume("bob", 1, &epoch, 3),
    );
    stage.settle().await;
    ann.words();
    bob.position("view", 0, 0.2);
    stage.settle().await;
    assert_eq!(ann.words(), ["view of 2 is 0.2"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_an_append_is_in_flight_waits_for_it_before_the_log_is_read_again() {
    let stage = Stage::new().await;
    let [_ann, bob] = stage.joined(["ann", "bob"]).await;
    stage.log.hold();
    bob.ask(1, follow_me(Invite::Ask));
    stage.settle().await;
    stage.codec.panic_once_at(|frame| {
        matches!(
            frame.statement,
            Statement::Notice(Notice::NumberCodeChange { .. })
        )
    });
    let notice = Notice::NumberCodeChange { expires_at: None };
    stage
        .sessions
        .tell_host(session_id(), notice)
        .await
        .expect("taken");
    stage.settle().await;
    assert_eq!(bob.words(), ["closed Internal"]);

    stage.log.open();
    stage.settle().await;
    assert_eq!(
        stage.presenter().await,
        Some(id("bob")),
        "the late entry is part of what was read"
    );
    stage.retitle("New").await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_stays_when_it_has_fired_ends_the_actor_and_nothing_of_it_is_logged() {
    let stage = Stage::new().await;
    let [ann, mut bob] = stage.joined(["ann", "bob"]).await;
    let epoch = stage.epoch().await;
    stage.log.batches();
    plant(Some(PlantedFault::LastingDeadline));
    bob.hang_up();
    stage.wait(Duration::from_secs(3)).await;
    plant(None);
    assert_eq!(ann.words(), ["closed Internal"]);
    assert_eq!(
        stage.log.batches(),
        [1],
        "that the point is lost, and no announcement of it"
    );

    let ann = stage.resume("ann", 1, &epoch, 2);
    stage.wait(Duration::from_secs(3)).await;
    assert_eq!(ann.words(), ["resumed at 2", "3 memberChange"]);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_panics_costs_an_answer_and_nothing_else() {
    let stage = Stage::new().await;
    let [_ann, bob] = stage.joined(["ann", "bob"]).await;
    let look = |_: &State| -> () { panic!("told to panic") };
    let error = stage
        .sessions
        .read(session_id(), look)
        .await
        .expect_err("no answer");
    assert_eq!(error.code, ErrorCode::Unavailable);
    stage.retitle("New").await;
    stage.settle().await;
    assert_eq!(bob.words(), ["3 sessionChange"], "its connections stay");
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_panics_costs_an_answer_and_no_entry() {
    let stage = Stage::new().await;
    stage.observer.panic_once();
    let error = stage
        .propose(Stage::retitled("New"))
        .await
        .expect_err("no answer");
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert_eq!(
        stage
            .read(|s| s.face_session().title.as_str().to_owned())
            .await,
        "New"
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_panics_is_a_lost_point() {
    let stage = Stage::new().await;
    let [ann, bob] = stage.joined(["ann", "bob"]).await;
    bob.send(Incoming::Frame(Bytes::new()));
    stage.wait(Duration::from_secs(3)).await;
    assert!(bob.served.is_finished());
    assert_eq!(ann.words(), ["3 memberChange"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_cut_off_is_a_lost_point() {
    let stage = Stage::new().await;
    let [ann, bob] = stage.joined(["ann", "bob"]).await;
    bob.served.abort();
    stage.wait(Duration::from_secs(3)).await;
    assert_eq!(ann.words(), ["3 memberChange"]);
}
