//! Presenting.

use faceshare_tests::meeting::{Meeting, edges};
use faceshare_tests::socket::Socket;
use faceshare_tests::{Format, in_both_formats};
use serde_json::{Value, json};

in_both_formats!(
    ask_invites_and_attaches_no_member,
    on_attaches_everybody_and_gives_their_own_targets_back,
    only_the_host_takes_over_presenting,
    only_some_members_may_end_a_presentation_or_name_another_presenter,
    a_hard_lock_holds_all_but_the_host,
    a_presenter_that_leaves_frees_everybody,
);

/// The presenting state after an instruction that must be acknowledged, as its sender receives it.
async fn present(socket: &mut Socket, body: Value) -> Value {
    let answered = socket.ask(body).await;
    let seq = answered.ack();
    // Frames of other members may come before the frame of this instruction.
    let own: Vec<_> = answered
        .before
        .iter()
        .skip_while(|frame| faceshare_tests::socket::seq(frame) != seq)
        .collect();
    assert!(
        own.first()
            .is_some_and(|frame| frame["from"] == json!(socket.member())),
        "{answered:?}"
    );
    let change = own
        .into_iter()
        .find(|frame| frame.get("followChange").is_some());
    change
        .unwrap_or_else(|| panic!("no followChange: {answered:?}"))
        .clone()
}

async fn ask_invites_and_attaches_no_member(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 3).await;
    let presenter = sockets[1].member().to_owned();
    let told = present(&mut sockets[1], json!({"followMe": {}})).await;
    let presenting = &told["followChange"]["presenting"];
    assert_eq!(
        (&presenting["memberId"], &presenting["term"]),
        (&json!(presenter), &json!(1))
    );
    assert_eq!(
        (&presenting["invite"], &presenting["lock"]),
        (&json!("ASK"), &json!("NONE")),
        "the defaults"
    );
    assert!(presenting["since"].is_string());
    assert!(edges(&told).is_empty(), "{told}");
    assert_eq!(sockets[2].until("followChange").await, told);

    let told = present(
        &mut sockets[2],
        json!({"followOther": {"target": presenter}}),
    )
    .await;
    let edge = &edges(&told)[0];
    assert_eq!(
        (edge.1.as_str(), edge.2.as_str(), edge.4.as_str()),
        (presenter.as_str(), presenter.as_str(), "PRESENTER")
    );
    let told = present(&mut sockets[1], json!({"followMe": {"invite": "OFF"}})).await;
    assert_eq!(
        told["followChange"]["presenting"]["term"], 1,
        "the presenter changes its own invitation in the same term"
    );
    assert_eq!(told["followChange"]["presenting"]["invite"], "OFF");
    let host = sockets[0].member().to_owned();
    sockets[1]
        .refused(json!({"followOther": {"target": host}}), "PRESENTER_ACTIVE")
        .await;
}

async fn on_attaches_everybody_and_gives_their_own_targets_back(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 4).await;
    let id: Vec<_> = sockets
        .iter()
        .map(|socket| socket.member().to_owned())
        .collect();
    present(&mut sockets[3], json!({"followOther": {"target": id[2]}})).await;
    let told = present(&mut sockets[0], json!({"followMe": {"invite": "ON"}})).await;
    let attached = edges(&told);
    assert_eq!(attached.len(), 3, "all but the presenter: {told}");
    for edge in &attached {
        assert_eq!(
            (edge.1.as_str(), edge.2.as_str(), edge.4.as_str()),
            (id[0].as_str(), id[0].as_str(), "PRESENTER"),
            "{edge:?}"
        );
    }

    let told = present(&mut sockets[0], json!({"cancelFollowMe": {}})).await;
    assert_eq!(told["followChange"].get("presenting"), None);
    let restored = edges(&told)
        .into_iter()
        .find(|edge| edge.0 == id[3])
        .expect("who followed before");
    assert_eq!(
        (
            restored.1.as_str(),
            restored.2.as_str(),
            restored.4.as_str()
        ),
        (id[2].as_str(), id[2].as_str(), "RESTORED")
    );
    let freed = edges(&told)
        .into_iter()
        .filter(|edge| edge.0 != id[3])
        .collect::<Vec<_>>();
    assert_eq!(freed.len(), 2);
    assert!(
        freed
            .iter()
            .all(|edge| edge.1.is_empty() && edge.2.is_empty()),
        "{freed:?}"
    );
}

async fn only_the_host_takes_over_presenting(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 3).await;
    present(&mut sockets[1], json!({"followMe": {"invite": "ON"}})).await;
    sockets[2]
        .refused(json!({"followMe": {}}), "PRESENTER_ACTIVE")
        .await;
    let told = present(&mut sockets[0], json!({"followMe": {}})).await;
    let presenting = &told["followChange"]["presenting"];
    assert_eq!(
        (&presenting["memberId"], &presenting["term"]),
        (&json!(sockets[0].member()), &json!(2))
    );
    assert!(
        edges(&told).iter().all(|edge| edge.1.is_empty()),
        "a takeover drops attachments first: {told}"
    );
}

async fn only_some_members_may_end_a_presentation_or_name_another_presenter(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 3).await;
    let id: Vec<_> = sockets
        .iter()
        .map(|socket| socket.member().to_owned())
        .collect();
    sockets[0]
        .refused(json!({"cancelFollowMe": {}}), "NOT_PRESENTING")
        .await;
    sockets[1]
        .refused(json!({"followMe": {"presenter": id[2]}}), "FORBIDDEN")
        .await;
    sockets[0]
        .refused(
            json!({"followMe": {"presenter": "4242"}}),
            "MEMBER_NOT_FOUND",
        )
        .await;
    let told = present(&mut sockets[0], json!({"followMe": {"presenter": id[1]}})).await;
    assert_eq!(told["followChange"]["presenting"]["memberId"], json!(id[1]));

    let answered = sockets[2].ask(json!({"cancelFollowMe": {}})).await;
    let code = answered.answer["nack"]["code"].as_str().expect("a nack");
    assert!(
        ["FORBIDDEN", "NOT_PRESENTING"].contains(&code),
        "{answered:?}"
    );
    let told = present(&mut sockets[0], json!({"cancelFollowMe": {}})).await;
    assert_eq!(
        told["followChange"].get("presenting"),
        None,
        "the host ends another's presentation"
    );
}

async fn a_hard_lock_holds_all_but_the_host(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 3).await;
    let id: Vec<_> = sockets
        .iter()
        .map(|socket| socket.member().to_owned())
        .collect();
    sockets[1]
        .refused(
            json!({"followMe": {"invite": "ON", "lock": "HARD"}}),
            "FORBIDDEN",
        )
        .await;
    sockets[0]
        .refused(
            json!({"followMe": {"invite": "ASK", "lock": "HARD"}}),
            "INVALID_ARGUMENT",
        )
        .await;
    let told = present(
        &mut sockets[0],
        json!({"followMe": {"invite": "ON", "lock": "HARD", "presenter": id[1]}}),
    )
    .await;
    assert_eq!(told["followChange"]["presenting"]["lock"], "HARD");
    for escape in [
        json!({"cancelFollow": {}}),
        json!({"cancelFollow": {"suspend": "SCROLL"}}),
        json!({"followOther": {"target": id[0]}}),
    ] {
        sockets[2].refused(escape, "FOLLOW_LOCKED").await;
    }
    let told = present(&mut sockets[0], json!({"cancelFollow": {}})).await;
    assert_eq!(edges(&told)[0].0, id[0], "the host may");
}

async fn a_presenter_that_leaves_frees_everybody(format: Format) {
    let (_meeting, mut sockets) = Meeting::of(format, 3).await;
    present(&mut sockets[1], json!({"followMe": {"invite": "ON"}})).await;
    sockets[1].ask(json!({"quit": {}})).await;
    sockets[2].until("quit").await;
    let told = sockets[2].expect("followChange").await;
    assert_eq!(told["followChange"].get("presenting"), None);
    assert!(
        edges(&told)
            .iter()
            .all(|edge| edge.1.is_empty() && edge.2.is_empty()),
        "{told}"
    );
    sockets[0].until("quit").await;
    assert_eq!(sockets[0].expect("followChange").await, told);
}
