//! Following with `followOther` and `cancelFollow`.

use faceshare_tests::meeting::{Meeting, edges};
use faceshare_tests::socket::{Socket, seq};
use faceshare_tests::{Format, in_both_formats};
use serde_json::{Value, json};

in_both_formats!(
    following_is_told_to_all_and_acknowledged_after_its_frames,
    chains_resolve_to_their_root,
    a_member_cannot_follow_itself_a_cycle_or_a_stranger,
    followers_of_a_member_that_stops_or_pauses_get_the_right_root,
    a_leaver_frees_its_followers,
    stopping_without_following_changes_nothing,
);

fn ids(sockets: &[Socket]) -> Vec<String> {
    sockets
        .iter()
        .map(|socket| socket.member().to_owned())
        .collect()
}

fn edge(
    member: &str,
    target: &str,
    root: &str,
    reason: &str,
) -> (String, String, String, bool, String) {
    (
        member.to_owned(),
        target.to_owned(),
        root.to_owned(),
        false,
        reason.to_owned(),
    )
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

/// One client sends an instruction, which must be followed by one `followChange`. All clients must
/// receive the same two frames. Returns the second.
async fn change(sockets: &mut [Socket], by: usize, instruction: &str, body: Value) -> Value {
    let answered = sockets[by].ask(json!({instruction: body})).await;
    let [repeated, change] = answered.before.as_slice() else {
        panic!("not two frames: {answered:?}")
    };
    assert!(
        repeated.get(instruction).is_some() && change.get("followChange").is_some(),
        "{answered:?}"
    );
    assert_eq!(
        answered.ack(),
        seq(repeated),
        "the ack names the frame that repeats the instruction"
    );
    assert_eq!(seq(change), seq(repeated) + 1, "the consequence comes next");
    assert_eq!(repeated["from"], json!(sockets[by].member()));
    for socket in sockets
        .iter_mut()
        .enumerate()
        .filter_map(|(index, socket)| (index != by).then_some(socket))
    {
        assert_eq!(&socket.expect(instruction).await, repeated);
        assert_eq!(&socket.expect("followChange").await, change);
    }
    change.clone()
}

async fn following_is_told_to_all_and_acknowledged_after_its_frames(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 3).await;
    let id = ids(&sockets);
    let told = change(&mut sockets, 1, "followOther", json!({"target": id[0]})).await;
    assert_eq!(edges(&told), [edge(&id[1], &id[0], &id[0], "CHOICE")]);
    assert_eq!(told["followChange"].get("presenting"), None);
    assert!(told["at"].is_string());
}

async fn chains_resolve_to_their_root(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 3).await;
    let id = ids(&sockets);
    let told = change(&mut sockets, 2, "followOther", json!({"target": id[1]})).await;
    assert_eq!(edges(&told), [edge(&id[2], &id[1], &id[1], "CHOICE")]);
    let told = change(&mut sockets, 1, "followOther", json!({"target": id[0]})).await;
    assert_eq!(
        edges(&told),
        sorted(vec![
            edge(&id[1], &id[0], &id[0], "CHOICE"),
            edge(&id[2], &id[1], &id[0], "CHAIN")
        ])
    );
}

async fn a_member_cannot_follow_itself_a_cycle_or_a_stranger(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 3).await;
    let id = ids(&sockets);
    change(&mut sockets, 1, "followOther", json!({"target": id[0]})).await;
    change(&mut sockets, 2, "followOther", json!({"target": id[1]})).await;
    sockets[0]
        .refused(json!({"followOther": {"target": id[0]}}), "FOLLOW_SELF")
        .await;
    sockets[0]
        .refused(json!({"followOther": {"target": id[1]}}), "FOLLOW_CYCLE")
        .await;
    sockets[0]
        .refused(json!({"followOther": {"target": id[2]}}), "FOLLOW_CYCLE")
        .await;
    sockets[0]
        .refused(
            json!({"followOther": {"target": "4242"}}),
            "MEMBER_NOT_FOUND",
        )
        .await;
    let head = sockets[0].seq;
    let told = change(&mut sockets, 1, "cancelFollow", json!({})).await;
    assert_eq!(
        seq(&told),
        head + 2,
        "no client receives a refused instruction"
    );
}

async fn followers_of_a_member_that_stops_or_pauses_get_the_right_root(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 3).await;
    let id = ids(&sockets);
    change(&mut sockets, 1, "followOther", json!({"target": id[0]})).await;
    change(&mut sockets, 2, "followOther", json!({"target": id[1]})).await;

    let told = change(&mut sockets, 1, "cancelFollow", json!({"suspend": "PAGE"})).await;
    let paused = edges(&told)
        .into_iter()
        .find(|edge| edge.0 == id[1])
        .expect("its edge");
    assert_eq!(
        (paused.1.as_str(), paused.2.as_str(), paused.3),
        (id[0].as_str(), "", true),
        "a target, no root"
    );
    let behind = edges(&told)
        .into_iter()
        .find(|edge| edge.0 == id[2])
        .expect("the edge behind it");
    assert_eq!(behind, edge(&id[2], &id[1], &id[1], "CHAIN"));

    let told = change(&mut sockets, 1, "followOther", json!({"target": id[0]})).await;
    assert_eq!(
        edges(&told),
        sorted(vec![
            edge(&id[1], &id[0], &id[0], "CHOICE"),
            edge(&id[2], &id[1], &id[0], "CHAIN")
        ])
    );
    let told = change(&mut sockets, 1, "cancelFollow", json!({})).await;
    assert_eq!(
        edges(&told),
        sorted(vec![
            edge(&id[1], "", "", "CANCELLED"),
            edge(&id[2], &id[1], &id[1], "CHAIN")
        ])
    );
}

async fn a_leaver_frees_its_followers(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 3).await;
    let id = ids(&sockets);
    change(&mut sockets, 0, "followOther", json!({"target": id[1]})).await;
    change(&mut sockets, 2, "followOther", json!({"target": id[1]})).await;
    sockets[1].ask(json!({"quit": {}})).await;
    for index in [0, 2] {
        let quit = sockets[index].expect("quit").await;
        let told = sockets[index].expect("followChange").await;
        assert_eq!(seq(&told), seq(&quit) + 1);
        assert_eq!(
            edges(&told),
            sorted(vec![
                edge(&id[0], "", "", "TARGET_LEFT"),
                edge(&id[2], "", "", "TARGET_LEFT")
            ])
        );
    }
}

async fn stopping_without_following_changes_nothing(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 2).await;
    let head = sockets[1].seq;
    let answered = sockets[1].ask(json!({"cancelFollow": {}})).await;
    assert_eq!((answered.ack(), answered.before), (head, Vec::new()));
    let seq = sockets[0].acked(json!({"followMe": {}})).await;
    assert_eq!(seq, head + 1, "it was logged nowhere");
}
