//! Nothing is told before the log has it, and everything that waits for the log is told once it
//! has.

use super::fixture::{STOP, StreamFixture, follow, follow_me, session_id};
use faceshare_biz::domain::instruction::{Command, Invite};
use faceshare_exec::State;

#[tokio::test(start_paused = true)]
async fn nothing_is_told_before_the_log_has_it() {
    let fixture = StreamFixture::new().await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    fixture.seat("cat", 1).await;
    fixture.log.hold();
    bob.ask(1, follow_me(Invite::Ask));
    fixture.settle().await;
    let (sessions, reading) = (fixture.sessions.clone(), fixture.sessions.clone());
    let reply = tokio::spawn(async move {
        sessions
            .propose(session_id(), StreamFixture::retitled("New"))
            .await
    });
    let read = tokio::spawn(async move { reading.read(session_id(), State::seq).await });
    let cat = fixture.connect("cat", 1);
    fixture.settle().await;
    assert_eq!([ann.words(), bob.words(), cat.words()], [[""; 0]; 3]);
    assert!(!reply.is_finished() && !read.is_finished());

    fixture.log.release(1);
    fixture.settle().await;
    assert_eq!(bob.words(), ["3 followMe", "4 followChange", "ack 1 at 3"]);
    assert!(
        !reply.is_finished() && !read.is_finished() && cat.words().is_empty(),
        "these are in the next batch"
    );

    fixture.log.open();
    fixture.settle().await;
    assert_eq!(
        ann.words(),
        [
            "3 followMe",
            "4 followChange",
            "5 sessionChange",
            "6 memberJoin"
        ]
    );
    assert_eq!(cat.words(), ["welcome at 6"]);
    assert_eq!(
        reply
            .await
            .expect("no panic")
            .expect("renamed")
            .title
            .as_str(),
        "New"
    );
    assert_eq!(read.await.expect("no panic").expect("read").get(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_an_append_is_in_flight_goes_as_one_append() {
    let fixture = StreamFixture::new().await;
    let [_ann, bob] = fixture.joined(["ann", "bob"]).await;
    fixture.log.batches();
    fixture.log.hold();
    bob.ask(1, follow("ann"));
    fixture.settle().await;
    for id in 2..=5 {
        bob.ask(id, if id % 2 == 0 { STOP } else { follow("ann") });
        fixture.settle().await;
    }
    fixture.log.open();
    fixture.settle().await;
    assert_eq!(fixture.log.batches(), [1, 4]);
    let acks: Vec<_> = bob
        .words()
        .into_iter()
        .filter(|w| w.starts_with("ack"))
        .collect();
    assert_eq!(
        acks,
        [
            "ack 1 at 3",
            "ack 2 at 5",
            "ack 3 at 7",
            "ack 4 at 9",
            "ack 5 at 11"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_waits_with_the_append_in_flight_is_answered_though_nothing_follows_it() {
    let fixture = StreamFixture::new().await;
    let [_ann, bob] = fixture.joined(["ann", "bob"]).await;
    fixture.log.hold();
    bob.ask_once(1, 7, follow_me(Invite::Ask));
    fixture.settle().await;
    bob.ask(2, Command::CancelAutoEnd);
    bob.ask_once(3, 7, follow_me(Invite::Ask));
    bob.ask(4, Command::PointState { background: false });
    bob.ask(5, STOP);
    bob.position("view", 0, 0.5);
    let sessions = fixture.sessions.clone();
    let read = tokio::spawn(async move { sessions.read(session_id(), State::seq).await });
    fixture.settle().await;
    assert_eq!(bob.words(), [""; 0]);

    fixture.log.release(1);
    fixture.settle().await;
    let told = bob.words();
    assert_eq!(told[..3], ["3 followMe", "4 followChange", "ack 1 at 3"]);
    assert_eq!(
        told[3..],
        ["nack 2 FORBIDDEN", "ack 3 at 3", "ack 4 at 0", "ack 5 at 4"]
    );
    assert_eq!(read.await.expect("no panic").expect("read").get(), 4);
}

#[tokio::test(start_paused = true)]
async fn with_nothing_in_flight_answers_come_at_once() {
    let fixture = StreamFixture::new().await;
    let [_ann, bob] = fixture.joined(["ann", "bob"]).await;
    fixture.log.hold();
    bob.ask(1, STOP);
    bob.ask(2, Command::CancelFollowMe);
    bob.ask(0, Command::CancelFollowMe);
    fixture.settle().await;
    assert_eq!(
        bob.words(),
        ["ack 1 at 2", "nack 2 NOT_PRESENTING"],
        "and nothing for the one without an id"
    );
}

#[tokio::test(start_paused = true)]
async fn who_quits_hears_the_frame_then_the_ack_then_the_close() {
    let fixture = StreamFixture::new().await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    bob.ask(1, Command::Quit);
    fixture.settle().await;
    assert_eq!(bob.words(), ["3 quit", "ack 1 at 3", "closed Left"]);
    assert_eq!(ann.words(), ["3 quit"]);
}
