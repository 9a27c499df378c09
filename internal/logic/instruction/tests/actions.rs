//! Positions reach those whose root is the sender, newest first and never late.

use super::fixture::{STOP, StreamFixture, follow, follow_me};
use faceshare_biz::domain::instruction::{Action, ActionKey, ActionValue, Command, Invite};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_position_reaches_the_points_behind_its_sender_and_no_others() {
    let fixture = StreamFixture::new().await;
    let [ann, bob, cat, dan, eve] = fixture.joined(["ann", "bob", "cat", "dan", "eve"]).await;
    for (name, n) in [("bob", 2), ("cat", 2)] {
        fixture.seat(name, n).await;
    }
    let (bob2, cat2) = (fixture.connect("bob", 2), fixture.connect("cat", 2));
    cat.ask(0, follow("bob"));
    fixture.settle().await;
    dan.ask(0, follow("cat"));
    fixture.settle().await;
    let everybody = [&ann, &bob, &bob2, &eve, &cat, &cat2, &dan];
    everybody.iter().for_each(|client| drop(client.words()));

    bob.position("view", 0, 0.5);
    fixture.settle().await;
    let heard = everybody.map(|client| client.words().len());
    assert_eq!(heard, [0, 0, 0, 0, 1, 1, 1]);
    let key = ActionKey::new("view", 32).expect("short");
    cat.ask(
        1,
        Command::ActionSync(Action {
            file: None,
            key,
            term: 0,
            value: ActionValue::Pointer { x: 0.1, y: 0.0 },
            size: 20,
        }),
    );
    fixture.settle().await;
    assert_eq!(cat.words(), ["ack 1 at 0"]);
    assert_eq!(
        everybody.map(|client| client.words().len()),
        [0; 7],
        "no member follows cat"
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_follower_sees_the_newest_value_at_once_after_its_edge() {
    let fixture = StreamFixture::new().await;
    let [_ann, bob, cat] = fixture.joined(["ann", "bob", "cat"]).await;
    bob.position("view", 0, 0.1);
    bob.position("view", 0, 0.2);
    bob.position("pointer", 0, 0.3);
    fixture.settle().await;
    cat.ask(1, follow("bob"));
    fixture.settle().await;
    let told = [
        "4 followOther",
        "5 followChange",
        "ack 1 at 4",
        "view of 2 is 0.2",
        "pointer of 2 is 0.3",
    ];
    assert_eq!(cat.words(), told);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_receiver_is_dropped_when_it_stops_following() {
    let fixture = StreamFixture::new().await;
    let [_ann, bob, cat] = fixture.joined(["ann", "bob", "cat"]).await;
    cat.ask(0, follow("bob"));
    fixture.settle().await;
    cat.words();
    cat.stall();
    fixture.retitle("One").await;
    fixture.settle().await;
    bob.position("view", 0, 0.5);
    fixture.settle().await;
    cat.ask(1, STOP);
    fixture.settle().await;
    cat.read();
    fixture.settle().await;
    assert_eq!(
        cat.words(),
        [
            "6 sessionChange",
            "7 cancelFollow",
            "8 followChange",
            "ack 1 at 7"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_conflated_and_its_newest_value_never_lost() {
    let fixture = StreamFixture::new().await;
    let [_ann, bob, cat] = fixture.joined(["ann", "bob", "cat"]).await;
    cat.ask(0, follow("bob"));
    fixture.settle().await;
    cat.words();
    let mut heard = Vec::new();
    for i in 0..500 {
        bob.position("view", 0, f64::from(i) / 1000.0);
        fixture.wait(Duration::from_millis(2)).await;
        heard.extend(cat.words());
    }
    fixture.wait(Duration::from_secs(1)).await;
    heard.extend(cat.words());
    assert_eq!(heard.last().map(String::as_str), Some("view of 2 is 0.499"));
    assert!(
        (50..=70).contains(&heard.len()),
        "{} in a second",
        heard.len()
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_gets_the_newest_of_each_key_and_no_backlog() {
    let fixture = StreamFixture::new().await;
    let [_ann, bob, cat] = fixture.joined(["ann", "bob", "cat"]).await;
    cat.ask(0, follow("bob"));
    fixture.settle().await;
    cat.words();
    cat.stall();
    fixture.retitle("One").await;
    for i in 0..100 {
        bob.position("view", 0, f64::from(i) / 1000.0);
        bob.position("pointer", 0, f64::from(i) / 1000.0);
        fixture.wait(Duration::from_millis(20)).await;
    }
    cat.read();
    fixture.settle().await;
    assert_eq!(
        cat.words(),
        [
            "6 sessionChange",
            "view of 2 is 0.099",
            "pointer of 2 is 0.099"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_position_of_an_ended_term_is_not_delivered() {
    let fixture = StreamFixture::new().await;
    let [ann, bob, cat] = fixture.joined(["ann", "bob", "cat"]).await;
    bob.ask(0, follow_me(Invite::On));
    fixture.settle().await;
    cat.words();
    bob.position("view", 1, 0.1);
    bob.position("view", 2, 0.2);
    fixture.settle().await;
    assert_eq!(cat.words(), ["view of 2 is 0.1"]);
    ann.ask(0, follow_me(Invite::On));
    fixture.settle().await;
    cat.words();
    bob.position("view", 1, 0.3);
    ann.position("view", 2, 0.4);
    fixture.settle().await;
    assert_eq!(cat.words(), ["view of 1 is 0.4"]);
}

#[tokio::test(start_paused = true)]
async fn a_position_does_not_overtake_what_its_sender_said_before_it() {
    let fixture = StreamFixture::new().await;
    let [_ann, bob, cat] = fixture.joined(["ann", "bob", "cat"]).await;
    // In one go: the first is still on its way to the actor when the second is looked at.
    bob.ask(0, follow_me(Invite::On));
    bob.position("view", 1, 0.1);
    fixture.settle().await;
    assert_eq!(
        cat.words(),
        ["4 followMe", "5 followChange", "view of 2 is 0.1"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_is_not_shown_a_term_after_the_frame_that_ended_it() {
    let fixture = StreamFixture::new().await;
    let [_ann, bob, cat] = fixture.joined(["ann", "bob", "cat"]).await;
    cat.ask(0, follow("bob"));
    bob.ask(0, follow_me(Invite::On));
    fixture.settle().await;
    cat.words();
    cat.stall();
    fixture.retitle("One").await;
    bob.position("view", 1, 0.1);
    bob.position("pointer", 0, 0.2);
    fixture.settle().await;
    bob.ask(0, Command::CancelFollowMe);
    bob.ask(0, follow_me(Invite::On));
    fixture.settle().await;
    cat.read();
    fixture.settle().await;
    let shown: Vec<_> = cat
        .words()
        .into_iter()
        .filter(|w| w.contains(" of "))
        .collect();
    assert_eq!(
        shown,
        ["pointer of 2 is 0.2"],
        "it followed all the while, and the view was of the first term"
    );
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_a_follower_connects_is_in_its_welcome() {
    let fixture = StreamFixture::new().await;
    let [_ann, bob] = fixture.joined(["ann", "bob"]).await;
    bob.ask(0, follow_me(Invite::On));
    fixture.seat("cat", 1).await;
    bob.position("view", 1, 0.1);
    fixture.log.hold();
    let cat = fixture.connect("cat", 1);
    fixture.settle().await;
    bob.position("view", 1, 0.2);
    fixture.settle().await;
    fixture.log.open();
    fixture.settle().await;
    let actions = cat.welcome().snapshot.expect("a snapshot").actions;
    let shown: Vec<_> = actions.iter().map(|sent| &sent.action.value).collect();
    assert_eq!(shown, [&ActionValue::Pointer { x: 0.2, y: 0.0 }]);
}

#[tokio::test(start_paused = true)]
async fn who_resumes_is_shown_the_newest_after_what_it_missed() {
    let fixture = StreamFixture::new().await;
    let [_ann, bob, mut cat] = fixture.joined(["ann", "bob", "cat"]).await;
    cat.ask(0, follow("bob"));
    fixture.settle().await;
    cat.hang_up();
    bob.position("view", 0, 0.5);
    fixture.retitle("One").await;
    let epoch = fixture.epoch().await;
    let cat = fixture.resume("cat", 1, &epoch, 5);
    fixture.settle().await;
    assert_eq!(
        cat.words(),
        ["resumed at 6", "6 sessionChange", "view of 2 is 0.5"]
    );
}
