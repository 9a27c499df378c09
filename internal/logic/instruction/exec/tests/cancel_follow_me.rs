//! `cancelFollowMe`.

use super::world::{PAUSE, World, follow, follow_me, frames, to, told_edges, without_target};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{Command, EdgeReason, Invite, Lock};

#[test]
fn the_presenter_ends_it_and_everybody_has_its_own_target_back() {
    let mut w = World::with(&["ann", "bob", "cat", "dan"]);
    w.say("cat", follow("dan"));
    w.say("bob", follow("cat"));
    w.say("bob", follow_me(Invite::On, Lock::None));
    let entry = w.say("bob", Command::CancelFollowMe);
    assert_eq!(frames(&entry), ["cancelFollowMe", "followChange"]);
    assert_eq!(w.presenter(), None);
    assert_eq!(
        told_edges(&entry),
        [
            ("ann", without_target(EdgeReason::Cancelled)),
            ("bob", to("cat", "dan", EdgeReason::Restored)),
            ("cat", to("dan", "dan", EdgeReason::Restored)),
            ("dan", without_target(EdgeReason::Cancelled)),
        ]
    );
}

#[test]
fn the_host_ends_the_presenting_of_another() {
    let mut w = World::with(&["ann", "bob"]);
    w.say("bob", follow_me(Invite::Ask, Lock::None));
    w.say("ann", Command::CancelFollowMe);
    assert_eq!(w.presenter(), None);
}

#[test]
fn no_other_member_ends_it_and_without_one_it_is_refused() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    assert_eq!(
        w.refused("ann", Command::CancelFollowMe),
        ErrorCode::NotPresenting
    );
    w.say("bob", follow_me(Invite::On, Lock::None));
    assert_eq!(
        w.refused("cat", Command::CancelFollowMe),
        ErrorCode::NotPresenting
    );
}

#[test]
fn the_pauses_of_the_attached_end_and_those_of_others_stay() {
    let mut w = World::with(&["ann", "bob", "cat", "dan"]);
    w.say("bob", follow("dan"));
    w.say("bob", PAUSE);
    w.say("ann", follow_me(Invite::Ask, Lock::None));
    w.say("cat", follow("ann"));
    w.say("cat", PAUSE);
    w.say("ann", Command::CancelFollowMe);
    assert_eq!(w.edge("cat"), None);
    assert!(
        w.edge("bob")
            .is_some_and(|e| e.suspended && e.root.is_none())
    );
}
