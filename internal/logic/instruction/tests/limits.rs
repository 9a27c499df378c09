//! What a client may send, and how much of it.

use super::fixture::{STOP, StreamFixture, follow_me};
use crate::instruction::connclient::Incoming;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{
    Action, ActionKey, ActionValue, Command, Decoded, Invite,
};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn the_third_bad_frame_in_a_row_closes() {
    let fixture = StreamFixture::new().await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    for client in [&ann, &bob] {
        client.send_decoded(Decoded::Malformed);
        client.send(Incoming::WrongKind);
    }
    ann.ask(1, STOP);
    for client in [&ann, &bob] {
        client.send_decoded(Decoded::Malformed);
    }
    fixture.settle().await;
    assert_eq!(
        (ann.words(), bob.words()),
        (
            vec!["ack 1 at 2".to_owned()],
            vec!["closed BadFrames".to_owned()]
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_understood_and_wrong_is_refused_by_its_id() {
    let fixture = StreamFixture::new().await;
    let [ann] = fixture.joined(["ann"]).await;
    for id in [4, 0] {
        ann.send_decoded(Decoded::Refused {
            id,
            code: ErrorCode::InvalidArgument,
            detail: "no".into(),
        });
    }
    fixture.settle().await;
    assert_eq!(ann.words(), ["nack 4 INVALID_ARGUMENT"]);
}

#[tokio::test(start_paused = true)]
async fn a_frame_over_the_limit_and_a_broken_transport_close() {
    let fixture = StreamFixture::new().await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    ann.send(Incoming::TooLarge);
    bob.send(Incoming::Broken);
    fixture.settle().await;
    assert_eq!(
        [ann.words(), bob.words()],
        [["closed FrameTooLarge"], ["closed BadFrames"]]
    );
}

#[tokio::test(start_paused = true)]
async fn instructions_over_the_rate_are_refused_and_too_many_refusals_close() {
    let fixture = StreamFixture::new().await;
    let [bob] = fixture.joined(["ann"]).await;
    for id in 1..=299 {
        bob.ask(id, STOP);
    }
    fixture.settle().await;
    let words = bob.words();
    let count = |start: &str| words.iter().filter(|w| w.starts_with(start)).count();
    assert_eq!((count("ack"), count("nack")), (100, 199));
    bob.ask(300, STOP);
    bob.ask(301, STOP);
    fixture.settle().await;
    assert_eq!(
        bob.words(),
        [
            "nack 300 RATE_LIMITED",
            "nack 301 RATE_LIMITED",
            "closed TooMany"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn refusals_are_forgiven_after_a_while() {
    let fixture = StreamFixture::new().await;
    let [bob] = fixture.joined(["ann"]).await;
    for _ in 0..3 {
        for id in 1..=300 {
            bob.ask(id, STOP);
        }
        fixture.wait(Duration::from_secs(11)).await;
    }
    assert!(!bob.words().iter().any(|w| w.starts_with("closed")));
}

#[tokio::test(start_paused = true)]
async fn presenting_may_not_be_switched_on_and_off_all_the_time() {
    let fixture = StreamFixture::new().await;
    let [ann] = fixture.joined(["ann"]).await;
    for id in 1..=6 {
        ann.ask(
            id,
            if id % 2 == 1 {
                follow_me(Invite::Ask)
            } else {
                Command::CancelFollowMe
            },
        );
    }
    fixture.settle().await;
    assert_eq!(
        ann.words().last().map(String::as_str),
        Some("nack 6 RATE_LIMITED")
    );
    fixture.wait(Duration::from_secs(1)).await;
    ann.ask(7, Command::CancelFollowMe);
    fixture.settle().await;
    assert!(ann.words().last().is_some_and(|w| w.starts_with("ack 7")));
}

#[tokio::test(start_paused = true)]
async fn refusals_by_the_session_count_like_those_at_the_door() {
    let fixture = StreamFixture::with(|s| s.refusals = 3).await;
    let [ann] = fixture.joined(["ann"]).await;
    for id in 1..=12 {
        ann.ask(
            id,
            if id % 2 == 1 {
                follow_me(Invite::Ask)
            } else {
                Command::CancelFollowMe
            },
        );
    }
    fixture.settle().await;
    let refused = [
        "nack 6 RATE_LIMITED",
        "nack 7 RATE_LIMITED",
        "nack 8 RATE_LIMITED",
        "nack 9 RATE_LIMITED",
        "closed TooMany",
    ];
    assert!(ann.words().ends_with(&refused.map(String::from)));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_positions_closes() {
    let fixture = StreamFixture::new().await;
    let [ann, bob] = fixture.joined(["ann", "bob"]).await;
    for _ in 0..600 {
        ann.position("view", 0, 0.1);
        bob.position("view", 0, 0.1);
    }
    bob.position("view", 0, 0.1);
    fixture.settle().await;
    assert_eq!(
        (ann.words(), bob.words()),
        (vec![], vec!["closed TooMany".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn a_position_over_its_size_is_refused() {
    let fixture = StreamFixture::new().await;
    let [ann] = fixture.joined(["ann"]).await;
    let key = ActionKey::new("k", 32).expect("short");
    let action = Action {
        file: None,
        key,
        term: 0,
        value: ActionValue::Pointer { x: 0.0, y: 0.0 },
        size: 4_097,
    };
    ann.ask(1, Command::ActionSync(action));
    fixture.settle().await;
    assert_eq!(ann.words(), ["nack 1 PAYLOAD_TOO_LARGE"]);
}
