//! The first frame.

use faceshare_tests::meeting::Meeting;
use faceshare_tests::shape::is_id;
use faceshare_tests::{Format, in_both_formats};
use serde_json::{Value, json};

in_both_formats!(
    welcome_holds_the_member_and_the_state_of_the_session,
    welcome_holds_who_presents_and_the_newcomers_edge
);

async fn welcome_holds_the_member_and_the_state_of_the_session(format: Format) {
    let (meeting, sockets) = Meeting::of(format, 2).await;
    let welcome = &sockets[1].welcome;
    let fields: Vec<_> = welcome.as_object().expect("an object").keys().collect();
    let mut expected = ["self", "epoch", "seq", "heartbeatInterval", "snapshot"];
    expected.sort_unstable();
    assert_eq!(fields, expected, "`resumed` is false and so left out");

    assert_eq!(welcome["self"]["memberId"], json!(meeting.guests[1].id));
    assert!(is_id(welcome["self"]["pointId"].as_str().expect("a point")));
    assert_eq!(welcome["self"]["role"], "GUEST");
    assert_eq!(sockets[0].welcome["self"]["role"], "HOST");
    assert!((1..=32).contains(&sockets[1].epoch().chars().count()));
    assert_eq!(sockets[0].epoch(), sockets[1].epoch());
    assert_eq!(welcome["heartbeatInterval"], "20s");
    assert_eq!(
        welcome["seq"].as_u64(),
        Some(sockets[0].seq),
        "the newcomer's head is what the host has seen"
    );

    let session = &welcome["snapshot"]["faceSession"];
    assert_eq!(
        (&session["id"], &session["title"], &session["hostId"]),
        (
            &json!(meeting.id),
            &json!("Review"),
            &json!(meeting.guests[0].id)
        )
    );
    assert_eq!(
        (
            &session["status"],
            &session["admission"],
            &session["hostLeft"]
        ),
        (&json!("ACTIVE"), &json!("OPEN"), &json!("COUNTDOWN"))
    );
    assert_eq!(
        (&session["memberCount"], &session["maxMembers"]),
        (&json!(2), &json!(500))
    );

    let members = welcome["snapshot"]["members"].as_array().expect("members");
    let ids: Vec<_> = members
        .iter()
        .map(|member| member["memberId"].as_str().expect("an id"))
        .collect();
    assert_eq!(
        ids,
        [meeting.guests[0].id.as_str(), meeting.guests[1].id.as_str()],
        "by joinedAt, the newcomer too"
    );
    let newcomer = &members[1];
    assert_eq!(
        (
            &newcomer["nickname"],
            &newcomer["role"],
            &newcomer["online"]
        ),
        (&json!("guest 1"), &json!("GUEST"), &json!(true))
    );
    let point = json!([{"pointId": welcome["self"]["pointId"], "device": {"name": "guest 1's laptop", "kind": "laptop"}}]);
    assert_eq!(newcomer["points"], point);
    for absent in ["presenting", "files", "autoEnd", "actions"] {
        assert_eq!(welcome["snapshot"].get(absent), None, "{absent}");
    }
    let told = &sockets[0].log.last().expect("memberJoin")["memberJoin"]["member"];
    assert_eq!(told, newcomer, "the others are told the same");
}

async fn welcome_holds_who_presents_and_the_newcomers_edge(format: Format) {
    let (mut meeting, mut sockets) = Meeting::of(format, 1).await;
    let host = meeting.guests[0].id.clone();
    sockets[0]
        .acked(json!({"followMe": {"invite": "ON"}}))
        .await;
    meeting.admit("late").await;
    let late = meeting.connect(1).await;
    let presenting = &late.welcome["snapshot"]["presenting"];
    assert_eq!(
        (&presenting["memberId"], &presenting["invite"]),
        (&json!(host), &json!("ON"))
    );
    assert_eq!(
        (&presenting["lock"], &presenting["term"]),
        (&json!("NONE"), &json!(1))
    );
    let edge =
        json!({"memberId": late.member(), "target": host, "root": host, "reason": "PRESENTER"});
    let follow = |member: &Value| member["follow"].clone();
    assert_eq!(follow(&late.welcome["snapshot"]["members"][1]), edge);
    assert_eq!(
        follow(&sockets[0].expect("memberJoin").await["memberJoin"]["member"]),
        edge,
        "it travels in memberJoin"
    );
    assert_eq!(
        sockets[0]
            .acked(json!({"followMe": {"invite": "ON"}}))
            .await,
        sockets[0].seq,
        "and no followChange comes after it"
    );
}
