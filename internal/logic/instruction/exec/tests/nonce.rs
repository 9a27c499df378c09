//! Nonces: an instruction takes effect once.

use super::world::{STOP, World, follow, follow_me, frames, id, point, seat};
use crate::{Input, Step, Via};
use faceshare_biz::domain::instruction::{Command, Invite, Lock, Seq};

#[test]
fn a_repeat_is_answered_with_the_seq_of_the_first_and_not_applied() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    let before = w.state.seq();
    let entry = w.does(World::said("bob", 7, follow("ann")));
    let first = before.plus(1);
    assert_eq!(frames(&entry), ["followOther", "followChange"]);
    w.say("bob", follow("cat"));
    assert_eq!(
        w.put(World::said("bob", 7, follow("ann"))),
        Ok(Step::Repeated(first))
    );
    assert_eq!(
        w.put(World::said("bob", 7, STOP)),
        Ok(Step::Repeated(first)),
        "the nonce counts, not what is said with it"
    );
    assert_eq!(w.root("bob"), Some("cat"));
}

#[test]
fn a_repeat_is_known_on_any_point_and_after_reconnecting() {
    let mut w = World::with(&["ann", "bob"]);
    w.does(World::said("bob", 7, follow("ann")));
    w.connect("bob", 2);
    let other = Input::Command {
        member: id("bob"),
        point: point("bob", 2),
        nonce: 7,
        command: follow("ann"),
    };
    assert!(matches!(w.put(other), Ok(Step::Repeated(_))));
}

#[test]
fn a_repeated_quit_is_answered_though_the_member_is_gone() {
    let mut w = World::with(&["ann", "bob"]);
    let first = w.state.seq().plus(1);
    w.does(World::said("bob", 9, Command::Quit));
    assert_eq!(
        w.put(World::said("bob", 9, Command::Quit)),
        Ok(Step::Repeated(first))
    );
    w.does(seat("bob", 1, Via::Token));
    w.connect("bob", 1);
    assert_eq!(
        w.put(World::said("bob", 9, Command::Quit)),
        Ok(Step::Repeated(first)),
        "nor does it leave again"
    );
}

#[test]
fn nonces_are_the_members_own() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    w.does(World::said("bob", 7, follow("ann")));
    w.does(World::said("cat", 7, follow("ann")));
}

#[test]
fn no_nonce_is_never_a_repeat() {
    let mut w = World::with(&["ann", "bob"]);
    w.say("bob", follow("ann"));
    w.say("bob", STOP);
    w.say("bob", follow("ann"));
    assert!(w.state.person(id("bob")).expect("bob").nonces.is_empty());
}

#[test]
fn what_was_refused_or_changed_nothing_may_be_tried_again() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    w.say("ann", follow_me(Invite::Ask, Lock::None));
    assert!(
        w.put(World::said("bob", 3, follow_me(Invite::Ask, Lock::None)))
            .is_err()
    );
    assert_eq!(w.put(World::said("cat", 4, STOP)), Ok(Step::Unchanged));
    w.say("ann", Command::CancelFollowMe);
    w.does(World::said("bob", 3, follow_me(Invite::Ask, Lock::None)));
    w.say("cat", follow("ann"));
    w.does(World::said("cat", 4, STOP));
}

#[test]
fn the_last_64_are_kept() {
    let mut w = World::with(&["ann", "bob"]);
    for nonce in 1..=65 {
        w.does(World::said(
            "bob",
            nonce,
            if nonce % 2 == 1 { follow("ann") } else { STOP },
        ));
    }
    let person = w.state.person(id("bob")).expect("bob");
    assert_eq!((person.seq_of_nonce(1), person.nonces.len()), (None, 64));
    assert!(person.seq_of_nonce(2).is_some());
    assert_eq!(
        person.seq_of_nonce(65),
        Some(Seq::new(w.state.seq().get() - 1)),
        "the first of its two frames"
    );
}
