//! `cancelFollow`.

use super::world::{
    PAUSE, STOP, Seen, World, follow, follow_me, follow_them, frames, to, told_edges,
    without_target,
};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{Command, EdgeReason, Event, Invite, Lock, Suspend};

const fn paused(target: &'static str) -> Seen {
    Seen {
        target: Some(target),
        root: None,
        suspended: true,
        reason: EdgeReason::Choice,
    }
}

#[test]
fn stopping_detaches_and_forgets_the_own_target() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    w.say("bob", follow("cat"));
    w.say("ann", follow_me(Invite::On, Lock::None));
    let entry = w.say("bob", STOP);
    assert_eq!(frames(&entry), ["cancelFollow", "followChange"]);
    assert_eq!(
        told_edges(&entry),
        [("bob", without_target(EdgeReason::Cancelled))]
    );
    w.say("ann", Command::CancelFollowMe);
    assert_eq!(w.edge("bob"), None);
}

#[test]
fn pausing_keeps_the_target_and_takes_the_root() {
    let mut w = World::with(&["ann", "bob"]);
    w.say("bob", follow("ann"));
    let entry = w.say(
        "bob",
        Command::CancelFollow {
            suspend: Some(Suspend::Zoom),
        },
    );
    assert_eq!(
        entry.events[0],
        Event::CancelFollow {
            suspend: Some(Suspend::Zoom)
        }
    );
    assert_eq!(told_edges(&entry), [("bob", paused("ann"))]);
}

#[test]
fn who_pauses_is_the_root_of_those_behind_it() {
    let mut w = World::with(&["ann", "bob", "cat", "dan"]);
    w.say("bob", follow("ann"));
    w.say("cat", follow("bob"));
    w.say("dan", follow("cat"));
    let entry = w.say("bob", PAUSE);
    assert_eq!(
        told_edges(&entry),
        [
            ("bob", paused("ann")),
            ("cat", to("bob", "bob", EdgeReason::Chain)),
            ("dan", to("cat", "bob", EdgeReason::Chain))
        ]
    );
    w.say("bob", follow("ann"));
    assert_eq!(w.root("dan"), Some("ann"));
}

#[test]
fn stopping_ends_a_pause() {
    let mut w = World::with(&["ann", "bob"]);
    w.say("bob", follow("ann"));
    w.say("bob", PAUSE);
    w.say("bob", STOP);
    assert_eq!(w.edge("bob"), None);
    w.say("bob", follow("ann"));
    assert_eq!(w.root("bob"), Some("ann"));
}

#[test]
fn pausing_or_stopping_without_following_changes_nothing() {
    let mut w = World::with(&["ann", "bob"]);
    w.changes_nothing("bob", PAUSE);
    w.changes_nothing("bob", STOP);
    w.say("bob", follow_me(Invite::Ask, Lock::None));
    w.changes_nothing("bob", PAUSE);
}

#[test]
fn pausing_twice_changes_nothing() {
    let mut w = World::with(&["ann", "bob"]);
    w.say("bob", follow("ann"));
    w.say("bob", PAUSE);
    w.changes_nothing(
        "bob",
        Command::CancelFollow {
            suspend: Some(Suspend::File),
        },
    );
}

#[test]
fn under_a_hard_lock_only_the_host_stops_or_pauses() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    w.say("ann", follow_them("bob", Invite::On, Lock::Hard));
    for command in [STOP, PAUSE] {
        assert_eq!(w.refused("cat", command), ErrorCode::FollowLocked);
    }
    w.say("ann", PAUSE);
    w.say("ann", STOP);
    assert_eq!(w.edge("ann"), None);
}

#[test]
fn a_presenter_that_paused_tells_of_no_edge_and_has_its_pause_back_afterwards() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    w.say("bob", follow("ann"));
    w.say("bob", PAUSE);
    let entry = w.say("bob", follow_me(Invite::Ask, Lock::None));
    assert_eq!(
        told_edges(&entry),
        [("bob", without_target(EdgeReason::Presenter))]
    );
    w.say("bob", Command::CancelFollowMe);
    assert_eq!(
        w.edge("bob"),
        Some(Seen {
            reason: EdgeReason::Restored,
            ..paused("ann")
        })
    );
}
