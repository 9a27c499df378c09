//! `pointState`. What it does to the grace stands in `member_change`.

use super::world::{World, id, point};
use crate::Input;
use faceshare_biz::domain::instruction::Command;

#[test]
fn it_is_stored_for_its_point_and_not_announced() {
    let mut w = World::with(&["ann", "bob"]);
    w.connect("bob", 2);
    let said = Input::Command {
        member: id("bob"),
        point: point("bob", 2),
        nonce: 5,
        command: Command::PointState { background: true },
    };
    let seq = w.state.seq();
    assert_eq!(w.does(said).events, []);
    assert_eq!(w.state.seq(), seq);
    let points = &w.state.presence(id("bob")).expect("bob").points;
    assert_eq!(
        points.values().map(|p| p.background).collect::<Vec<_>>(),
        [false, true]
    );
    assert!(
        w.state.person(id("bob")).expect("bob").nonces.is_empty(),
        "it has no seq to answer with"
    );
}

#[test]
fn the_same_again_changes_nothing_and_a_new_connection_is_in_the_foreground() {
    let mut w = World::with(&["ann", "bob"]);
    w.changes_nothing("bob", Command::PointState { background: false });
    w.say("bob", Command::PointState { background: true });
    w.changes_nothing("bob", Command::PointState { background: true });
    w.connect("bob", 1);
    w.changes_nothing("bob", Command::PointState { background: false });
}
