//! `actionSync`: a member's position, sent to its followers.

use faceshare_tests::meeting::Meeting;
use faceshare_tests::socket::{Socket, name};
use faceshare_tests::{Format, in_both_formats};
use serde_json::{Value, json};

in_both_formats!(
    a_position_reaches_followers_alone,
    a_new_follower_gets_the_newest_values_at_once,
    a_newcomer_under_a_presenter_finds_the_values_in_its_snapshot,
    followers_of_a_fast_sender_end_at_its_newest_value,
    a_value_of_another_term_is_dropped,
    an_invalid_position_is_refused,
    a_member_that_stopped_following_gets_no_more_positions,
);

fn page(page: u32) -> Value {
    json!({"actionSync": {"key": "view", "view": {"page": page, "x": 0.25, "y": 0.5, "zoom": 1.5, "rotation": 90}}})
}

/// The value of an `actionSync`, without `key` and the other fields of `view`.
fn page_of(frame: &Value) -> u64 {
    frame["actionSync"]["view"]["page"]
        .as_u64()
        .unwrap_or_else(|| panic!("no page in {frame}"))
}

/// All clients read up to the head. Returns which of them received an `actionSync`. Positions that
/// were sent before come before the head.
async fn follow(sockets: &mut [Socket], by: usize, target: usize) {
    let target = sockets[target].member().to_owned();
    let answered = sockets[by]
        .ask(json!({"followOther": {"target": target}}))
        .await;
    answered.ack();
    for index in (0..sockets.len()).filter(|index| *index != by) {
        sockets[index].expect("followOther").await;
        sockets[index].expect("followChange").await;
    }
}

async fn a_position_reaches_followers_alone(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 4).await;
    follow(&mut sockets, 1, 0).await;
    follow(&mut sockets, 2, 1).await;
    let answered = sockets[0].ask(page(7)).await;
    assert_eq!(
        (answered.ack(), answered.before.len()),
        (0, 0),
        "ephemeral, and not for the sender"
    );
    let sender = sockets[0].member().to_owned();
    for index in [1, 2] {
        let shown = sockets[index].expect("actionSync").await;
        let view = json!({"page": 7, "x": 0.25, "y": 0.5, "zoom": 1.5, "rotation": 90});
        assert_eq!(
            (&shown["from"], &shown["actionSync"]),
            (&json!(sender), &json!({"key": "view", "view": view}))
        );
        assert_eq!(shown.get("seq"), None);
    }
    sockets[0].acked(json!({"followMe": {}})).await;
    sockets[3].expect("followMe").await;
    sockets[3].expect("followChange").await;
    sockets[3]
        .refused(
            json!({"followOther": {"target": "4242"}}),
            "MEMBER_NOT_FOUND",
        )
        .await;
}

async fn a_new_follower_gets_the_newest_values_at_once(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 2).await;
    for number in 1..=3 {
        sockets[0].acked(page(number)).await;
    }
    sockets[0]
        .acked(json!({"actionSync": {"key": "pointer", "pointer": {"x": 0.5, "y": 1.0}}}))
        .await;
    sockets[0]
        .acked(json!({"actionSync": {"key": "own", "custom": "AQID"}}))
        .await;
    let target = sockets[0].member().to_owned();
    sockets[1]
        .instruct(json!({"followOther": {"target": target}}))
        .await;
    let mut values = Vec::new();
    while values.len() < 3 {
        let shown = sockets[1].until("actionSync").await;
        assert_eq!(shown["from"], json!(target));
        values.push(shown["actionSync"].clone());
    }
    values.sort_by_key(|value| value["key"].as_str().map(str::to_owned));
    assert_eq!(values[0], json!({"key": "own", "custom": "AQID"}));
    assert_eq!(
        values[1],
        json!({"key": "pointer", "pointer": {"x": 0.5, "y": 1.0}})
    );
    assert_eq!(values[2]["view"]["page"], 3, "the newest of its key");
}

async fn a_newcomer_under_a_presenter_finds_the_values_in_its_snapshot(format: Format) {
    let (mut meeting, mut sockets) = Meeting::of(format, 1).await;
    sockets[0]
        .acked(json!({"followMe": {"invite": "ON"}}))
        .await;
    let mut presented = page(9);
    presented["actionSync"]["term"] = json!(1);
    sockets[0].acked(presented.clone()).await;
    meeting.admit("late").await;
    let late = meeting.connect(1).await;
    let mut expected = presented["actionSync"].clone();
    expected["from"] = json!(sockets[0].member());
    assert_eq!(late.welcome["snapshot"]["actions"], json!([expected]));
}

async fn followers_of_a_fast_sender_end_at_its_newest_value(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 2).await;
    follow(&mut sockets, 1, 0).await;
    const LAST: u32 = 150;
    for number in 1..=LAST {
        let mut frame = page(number);
        frame["id"] = json!(0);
        sockets[0].send(&frame).await;
    }
    let mut shown = 0;
    while shown < u64::from(LAST) {
        let next = page_of(&sockets[1].expect("actionSync").await);
        assert!(next > shown, "{next} after {shown}");
        shown = next;
    }
}

async fn a_value_of_another_term_is_dropped(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 2).await;
    sockets[0]
        .acked(json!({"followMe": {"invite": "ON"}}))
        .await;
    sockets[1].until("followChange").await;
    for (term, number) in [(2, 1), (1, 2), (7, 3), (0, 4)] {
        let mut frame = page(number);
        frame["actionSync"]["term"] = json!(term);
        sockets[0].ask(frame).await;
    }
    let mut shown = Vec::new();
    while shown.last() != Some(&4) {
        shown.push(page_of(&sockets[1].expect("actionSync").await));
    }
    assert!(!shown.contains(&1) && !shown.contains(&3), "{shown:?}");
}

async fn an_invalid_position_is_refused(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 1).await;
    let value = |value: Value| {
        let mut action = json!({"key": "k"});
        action
            .as_object_mut()
            .expect("an object")
            .extend(value.as_object().expect("an object").clone());
        json!({"actionSync": action})
    };
    for bad in [
        value(json!({"view": {"rotation": 45}})),
        value(json!({"view": {"x": "NaN"}})),
        value(json!({"view": {"zoom": "Infinity"}})),
        value(json!({"view": {"y": 1.5}})),
        value(json!({"pointer": {"x": -0.1}})),
        value(json!({"pointer": {"y": "-Infinity"}})),
        value(json!({"key": "k".repeat(33), "pointer": {"x": 0.5}})),
    ] {
        sockets[0].refused(bad, "INVALID_ARGUMENT").await;
    }
    let long = value(json!({"custom": "A".repeat(8_000)}));
    sockets[0].refused(long, "PAYLOAD_TOO_LARGE").await;
    let fits = value(json!({"custom": "A".repeat(5_200)}));
    sockets[0].acked(fits).await;
}

async fn a_member_that_stopped_following_gets_no_more_positions(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 2).await;
    follow(&mut sockets, 1, 0).await;
    sockets[0].acked(page(1)).await;
    assert_eq!(page_of(&sockets[1].expect("actionSync").await), 1);
    sockets[1]
        .acked(json!({"cancelFollow": {"suspend": "SCROLL"}}))
        .await;
    sockets[0].acked(page(2)).await;
    let answered = sockets[1]
        .ask(json!({"followOther": {"target": "4242"}}))
        .await;
    assert!(
        answered
            .before
            .iter()
            .all(|frame| name(frame) != "actionSync"),
        "{answered:?}"
    );
}
