//! A bug panics in the actor or in a connection: no client waits forever, and nothing that was
//! acknowledged is lost.

use super::fixture::{StreamFixture, follow, follow_me, id, session_id};
use crate::instruction::connclient::Incoming;
use bytes::Bytes;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{Event, Invite, Notice, Statement};
use faceshare_exec::{PlantedFault, State, plant};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_panic_while_telling_closes_everybody_and_the_session_comes_back_from_its_log() {
    let fixture = StreamFixture::new().await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    let epoch = fixture.epoch().await;
    fixture
        .codec
        .panic_once_at(|frame| matches!(frame.statement, Statement::Event(Event::FollowMe { .. })));
    bob.ask_once(1, 7, follow_me(Invite::Ask));
    fixture.settle().await;
    assert_eq!(
        [ann.words(), bob.words()],
        [["closed Internal"], ["closed Internal"]]
    );
    assert!(fixture.sessions.points().is_empty());

    let (ann, bob) = (
        fixture.resume("ann", 1, &epoch, 2),
        fixture.resume("bob", 1, &epoch, 2),
    );
    fixture.settle().await;
    assert_eq!(
        [ann.words(), bob.words()],
        [["resumed at 4", "3 followMe", "4 followChange"]; 2]
    );
    bob.ask_once(2, 7, follow_me(Invite::Ask));
    fixture.settle().await;
    assert_eq!(bob.words(), ["ack 2 at 3"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_over_a_position_closes_everybody_too_though_it_is_the_senders_task_that_panics() {
    let fixture = StreamFixture::new().await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    ann.ask(1, follow("bob"));
    fixture.settle().await;
    let epoch = fixture.epoch().await;
    ann.words();
    fixture
        .codec
        .panic_once_at(|frame| matches!(frame.statement, Statement::Notice(Notice::ActionSync(_))));
    bob.position("view", 0, 0.1);
    fixture.settle().await;
    assert!(bob.served.is_finished());
    assert_eq!(ann.words(), ["closed Internal"]);

    let (ann, bob) = (
        fixture.resume("ann", 1, &epoch, 3),
        fixture.resume("bob", 1, &epoch, 3),
    );
    fixture.settle().await;
    ann.words();
    bob.position("view", 0, 0.2);
    fixture.settle().await;
    assert_eq!(ann.words(), ["view of 2 is 0.2"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_an_append_is_in_flight_waits_for_it_before_the_log_is_read_again() {
    let fixture = StreamFixture::new().await;
    let [_ann, bob] = fixture.joined(["ann", "bob"]).await;
    fixture.log.hold();
    bob.ask(1, follow_me(Invite::Ask));
    fixture.settle().await;
    fixture.codec.panic_once_at(|frame| {
        matches!(
            frame.statement,
            Statement::Notice(Notice::NumberCodeChange { .. })
        )
    });
    let notice = Notice::NumberCodeChange { expires_at: None };
    fixture
        .sessions
        .tell_host(session_id(), notice)
        .await
        .expect("taken");
    fixture.settle().await;
    assert_eq!(bob.words(), ["closed Internal"]);

    fixture.log.open();
    fixture.settle().await;
    assert_eq!(
        fixture.presenter().await,
        Some(id("bob")),
        "the late entry is part of what was read"
    );
    fixture.retitle("New").await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_stays_when_it_has_fired_ends_the_actor_and_nothing_of_it_is_logged() {
    let fixture = StreamFixture::new().await;
    let [ann, mut bob] = fixture.joined(["ann", "bob"]).await;
    let epoch = fixture.epoch().await;
    fixture.log.batches();
    plant(Some(PlantedFault::LastingDeadline));
    bob.hang_up();
    fixture.wait(Duration::from_secs(3)).await;
    plant(None);
    assert_eq!(ann.words(), ["closed Internal"]);
    assert_eq!(
        fixture.log.batches(),
        [1],
        "that the point is lost, and no announcement of it"
    );

    let ann = fixture.resume("ann", 1, &epoch, 2);
    fixture.wait(Duration::from_secs(3)).await;
    assert_eq!(ann.words(), ["resumed at 2", "3 memberChange"]);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_panics_costs_an_answer_and_nothing_else() {
    let fixture = StreamFixture::new().await;
    let [_ann, bob] = fixture.joined(["ann", "bob"]).await;
    let look = |_: &State| -> () { panic!("told to panic") };
    let error = fixture
        .sessions
        .read(session_id(), look)
        .await
        .expect_err("no answer");
    assert_eq!(error.code, ErrorCode::Unavailable);
    fixture.retitle("New").await;
    fixture.settle().await;
    assert_eq!(bob.words(), ["3 sessionChange"], "its connections stay");
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_panics_costs_an_answer_and_no_entry() {
    let fixture = StreamFixture::new().await;
    fixture.observer.panic_once();
    let error = fixture
        .propose(StreamFixture::retitled("New"))
        .await
        .expect_err("no answer");
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert_eq!(
        fixture
            .read(|s| s.face_session().title.as_str().to_owned())
            .await,
        "New"
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_panics_is_a_lost_point() {
    let fixture = StreamFixture::new().await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    bob.send(Incoming::Frame(Bytes::new()));
    fixture.wait(Duration::from_secs(3)).await;
    assert!(bob.served.is_finished());
    assert_eq!(ann.words(), ["3 memberChange"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_cut_off_is_a_lost_point() {
    let fixture = StreamFixture::new().await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    bob.served.abort();
    fixture.wait(Duration::from_secs(3)).await;
    assert_eq!(ann.words(), ["3 memberChange"]);
}
