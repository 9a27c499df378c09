//! `followOther`.

use super::world::{PAUSE, STOP, World, follow, follow_me, frames, id, to, told_edges};
use crate::Rules;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{Command, EdgeReason, Event, Invite, Lock};

#[test]
fn the_root_is_the_end_of_the_chain() {
    let mut w = World::with(&["ann", "bob", "cat", "dan"]);
    let entry = w.say("bob", follow("cat"));
    assert_eq!(frames(&entry), ["followOther", "followChange"]);
    assert_eq!(entry.events[0], Event::FollowOther { target: id("cat") });
    w.say("dan", follow("bob"));
    assert_eq!(w.edge("dan"), Some(to("bob", "cat", EdgeReason::Choice)));
    let entry = w.say("cat", follow("ann"));
    assert_eq!(
        told_edges(&entry),
        [
            ("bob", to("cat", "ann", EdgeReason::Chain)),
            ("cat", to("ann", "ann", EdgeReason::Choice)),
            ("dan", to("bob", "ann", EdgeReason::Chain)),
        ]
    );
}

#[test]
fn no_member_follows_itself_a_stranger_or_no_target() {
    let mut w = World::with(&["ann", "bob"]);
    assert_eq!(w.refused("bob", follow("bob")), ErrorCode::FollowSelf);
    assert_eq!(w.refused("bob", follow("hal")), ErrorCode::MemberNotFound);
    assert_eq!(
        w.refused("bob", Command::FollowOther { target: None }),
        ErrorCode::InvalidArgument
    );
}

#[test]
fn a_cycle_is_refused_however_long() {
    let mut w = World::with(&["ann", "bob", "cat", "dan"]);
    w.say("ann", follow("bob"));
    assert_eq!(w.refused("bob", follow("ann")), ErrorCode::FollowCycle);
    w.say("bob", follow("cat"));
    w.say("cat", follow("dan"));
    assert_eq!(w.refused("dan", follow("ann")), ErrorCode::FollowCycle);
}

#[test]
fn a_cycle_is_refused_over_a_pause_and_over_a_target_that_does_not_count_now() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    w.say("bob", follow("cat"));
    w.say("bob", PAUSE);
    assert_eq!(w.refused("cat", follow("bob")), ErrorCode::FollowCycle);
    w.say("ann", follow_me(Invite::On, Lock::None));
    assert_eq!(
        w.refused("cat", follow("bob")),
        ErrorCode::FollowCycle,
        "bob's target is cat, though it is attached to ann"
    );
}

#[test]
fn following_the_presenter_closes_no_cycle_whatever_its_own_target() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    w.say("bob", follow("cat"));
    w.say("bob", follow_me(Invite::Ask, Lock::None));
    w.say("cat", follow("bob"));
    assert_eq!(w.edge("cat"), Some(to("bob", "bob", EdgeReason::Presenter)));
    w.say("bob", Command::CancelFollowMe);
    assert_eq!((w.root("bob"), w.edge("cat")), (Some("cat"), None));
}

#[test]
fn the_presenter_follows_no_member() {
    let mut w = World::with(&["ann", "bob"]);
    w.say("bob", follow_me(Invite::Ask, Lock::None));
    assert_eq!(w.refused("bob", follow("ann")), ErrorCode::PresenterActive);
}

#[test]
fn accepting_attaches_and_keeps_the_own_target() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    w.say("bob", follow("cat"));
    w.say("ann", follow_me(Invite::Ask, Lock::None));
    let entry = w.say("bob", follow("ann"));
    assert_eq!(
        told_edges(&entry),
        [("bob", to("ann", "ann", EdgeReason::Presenter))]
    );
    w.say("ann", Command::CancelFollowMe);
    assert_eq!(w.edge("bob"), Some(to("cat", "cat", EdgeReason::Restored)));
}

#[test]
fn any_other_detaches_and_becomes_the_target() {
    let mut w = World::with(&["ann", "bob", "cat", "dan"]);
    w.say("bob", follow("cat"));
    w.say("ann", follow_me(Invite::On, Lock::None));
    w.say("bob", follow("dan"));
    assert_eq!(
        w.edge("bob"),
        Some(to("dan", "ann", EdgeReason::Choice)),
        "dan follows the presenter"
    );
    w.say("ann", Command::CancelFollowMe);
    assert_eq!(w.edge("bob"), Some(to("dan", "dan", EdgeReason::Chain)));
}

#[test]
fn both_ways_end_a_pause() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    w.say("bob", follow("cat"));
    w.say("bob", PAUSE);
    w.say("bob", follow("cat"));
    assert_eq!(w.edge("bob"), Some(to("cat", "cat", EdgeReason::Choice)));
    w.say("ann", follow_me(Invite::On, Lock::None));
    w.say("bob", PAUSE);
    w.say("bob", follow("ann"));
    assert_eq!(w.edge("bob"), Some(to("ann", "ann", EdgeReason::Presenter)));
}

#[test]
fn the_same_again_changes_nothing() {
    let mut w = World::with(&["ann", "bob"]);
    w.say("bob", follow("ann"));
    w.changes_nothing("bob", follow("ann"));
}

#[test]
fn under_a_hard_lock_only_the_host_follows_another() {
    let mut w = World::with(&["ann", "bob", "cat", "dan"]);
    w.say(
        "ann",
        super::world::follow_them("bob", Invite::On, Lock::Hard),
    );
    assert_eq!(w.refused("cat", follow("dan")), ErrorCode::FollowLocked);
    w.changes_nothing("cat", follow("bob"));
    w.say("ann", follow("dan"));
    assert_eq!(w.root("ann"), Some("bob"), "by way of dan");
    w.say("ann", STOP);
    assert_eq!(w.edge("ann"), None);
}

#[test]
fn a_member_within_its_grace_is_a_target_and_stays_a_root() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    w.say("bob", follow("cat"));
    w.lose("cat", 1);
    w.wait(Rules::default().debounce);
    assert_eq!(w.root("bob"), Some("cat"));
    w.say("ann", follow("cat"));
    assert_eq!(w.root("ann"), Some("cat"));
}
