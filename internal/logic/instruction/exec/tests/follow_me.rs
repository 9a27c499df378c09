//! `followMe`.

use super::world::{
    PAUSE, SECOND, STOP, World, follow, follow_me, follow_them, frames, id, to, told_edges,
    without_target,
};
use crate::Rules;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{EdgeReason, Event, Invite, Lock};

#[test]
fn ask_makes_a_presenter_and_attaches_no_member() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    let entry = w.say("bob", follow_me(Invite::Ask, Lock::None));
    assert_eq!(frames(&entry), ["followMe", "followChange"]);
    assert_eq!(entry.from, Some(id("bob")));
    assert_eq!(told_edges(&entry), []);
    assert_eq!(w.presenter(), Some(("bob", 1)));
    assert_eq!(
        w.state.presenting().map(|p| (p.invite, p.lock, p.since)),
        Some((Invite::Ask, Lock::None, entry.at))
    );
    assert_eq!((w.edge("ann"), w.edge("cat")), (None, None));
}

#[test]
fn off_makes_a_presenter_and_attaches_no_member() {
    let mut w = World::with(&["ann", "bob"]);
    w.say("ann", follow_me(Invite::Off, Lock::None));
    assert_eq!((w.presenter(), w.edge("bob")), (Some(("ann", 1)), None));
}

#[test]
fn on_attaches_everyone_but_the_presenter() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    let entry = w.say("ann", follow_me(Invite::On, Lock::None));
    let attached = to("ann", "ann", EdgeReason::Presenter);
    assert_eq!(told_edges(&entry), [("bob", attached), ("cat", attached)]);
    assert_eq!((w.edge("ann"), w.edge("bob")), (None, Some(attached)));
}

#[test]
fn on_clears_every_pause() {
    let mut w = World::with(&["ann", "bob", "cat", "dan"]);
    w.say("bob", follow("cat"));
    w.say("bob", PAUSE);
    w.say("dan", follow("cat"));
    w.say("dan", PAUSE);
    w.say("dan", follow_me(Invite::On, Lock::None));
    assert_eq!(w.edge("bob"), Some(to("dan", "dan", EdgeReason::Presenter)));
    w.say(
        "dan",
        faceshare_biz::domain::instruction::Command::CancelFollowMe,
    );
    assert_eq!(w.edge("bob"), Some(to("cat", "cat", EdgeReason::Restored)));
    assert_eq!(
        w.edge("dan"),
        Some(to("cat", "cat", EdgeReason::Restored)),
        "the presenter's own pause too"
    );
}

#[test]
fn a_hard_lock_needs_on() {
    let mut w = World::with(&["ann"]);
    for invite in [Invite::Ask, Invite::Off] {
        assert_eq!(
            w.refused("ann", follow_me(invite, Lock::Hard)),
            ErrorCode::InvalidArgument
        );
    }
    w.say("ann", follow_me(Invite::On, Lock::Hard));
}

#[test]
fn only_the_host_may_lock_or_name_another() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    assert_eq!(
        w.refused("bob", follow_me(Invite::On, Lock::Hard)),
        ErrorCode::Forbidden
    );
    assert_eq!(
        w.refused("bob", follow_them("cat", Invite::Ask, Lock::None)),
        ErrorCode::Forbidden
    );
    w.say("bob", follow_them("bob", Invite::Ask, Lock::None));
    assert_eq!(
        w.presenter(),
        Some(("bob", 1)),
        "naming oneself is no privilege"
    );
}

#[test]
fn the_host_names_a_presenter() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    let entry = w.say("ann", follow_them("bob", Invite::On, Lock::Hard));
    assert_eq!(
        entry.events[0],
        Event::FollowMe {
            invite: Invite::On,
            lock: Lock::Hard,
            presenter: Some(id("bob"))
        }
    );
    assert_eq!(entry.from, Some(id("ann")));
    assert_eq!(w.presenter(), Some(("bob", 1)));
    assert_eq!((w.root("ann"), w.root("cat")), (Some("bob"), Some("bob")));
}

#[test]
fn the_named_one_must_be_online() {
    let mut w = World::with(&["ann", "bob"]);
    assert_eq!(
        w.refused("ann", follow_them("hal", Invite::Ask, Lock::None)),
        ErrorCode::MemberNotFound
    );
    w.lose("bob", 1);
    w.wait(Rules::default().debounce);
    assert_eq!(
        w.refused("ann", follow_them("bob", Invite::Ask, Lock::None)),
        ErrorCode::MemberNotFound
    );
}

#[test]
fn while_someone_presents_only_the_host_takes_over() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    w.say("bob", follow_me(Invite::On, Lock::None));
    assert_eq!(
        w.refused("cat", follow_me(Invite::Ask, Lock::None)),
        ErrorCode::PresenterActive
    );
    w.say("ann", follow_me(Invite::On, Lock::None));
    assert_eq!(w.presenter(), Some(("ann", 2)));
    assert_eq!(w.edge("bob"), Some(to("ann", "ann", EdgeReason::Presenter)));
    w.say("ann", follow_them("cat", Invite::On, Lock::None));
    assert_eq!(w.presenter(), Some(("cat", 3)));
}

#[test]
fn a_takeover_drops_attachments_first() {
    let mut w = World::with(&["ann", "bob", "cat", "dan"]);
    w.say("cat", follow("dan"));
    w.say("bob", follow_me(Invite::On, Lock::None));
    let entry = w.say("ann", follow_me(Invite::Ask, Lock::None));
    assert_eq!(w.edge("cat"), Some(to("dan", "dan", EdgeReason::Restored)));
    assert_eq!(w.edge("dan"), None);
    assert!(told_edges(&entry).contains(&("dan", without_target(EdgeReason::Cancelled))));
}

#[test]
fn the_presenter_repeats_it_to_change_invite_within_the_same_term() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    w.say("bob", follow_me(Invite::Ask, Lock::None));
    let since = w.state.presenting().map(|p| p.since);
    w.wait(SECOND);
    w.say("bob", follow_me(Invite::On, Lock::None));
    assert_eq!(
        (w.presenter(), w.root("cat")),
        (Some(("bob", 1)), Some("bob"))
    );
    assert_eq!(w.state.presenting().map(|p| p.since), since);
    w.changes_nothing("bob", follow_me(Invite::On, Lock::None));
}

#[test]
fn on_again_brings_back_who_has_stopped() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    w.say("bob", follow_me(Invite::On, Lock::None));
    w.say("cat", STOP);
    w.say("bob", follow_me(Invite::On, Lock::None));
    assert_eq!(w.edge("cat"), Some(to("bob", "bob", EdgeReason::Presenter)));
}

#[test]
fn from_on_to_ask_detaches_no_member() {
    let mut w = World::with(&["ann", "bob"]);
    w.say("ann", follow_me(Invite::On, Lock::Hard));
    let entry = w.say("ann", follow_me(Invite::Ask, Lock::None));
    assert_eq!(told_edges(&entry), []);
    assert_eq!(w.root("bob"), Some("ann"));
}

#[test]
fn the_host_locks_what_another_presents_without_a_new_term() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    w.say("bob", follow_me(Invite::On, Lock::None));
    w.say("ann", follow_them("bob", Invite::On, Lock::Hard));
    assert_eq!(w.presenter(), Some(("bob", 1)));
    assert_eq!(w.refused("cat", STOP), ErrorCode::FollowLocked);
}

#[test]
fn terms_rise_and_are_not_reused_after_a_new_epoch() {
    let mut w = World::with(&["ann", "bob"]);
    for term in 1..=3 {
        w.say("bob", follow_me(Invite::Ask, Lock::None));
        assert_eq!(w.presenter(), Some(("bob", term)));
        w.say(
            "bob",
            faceshare_biz::domain::instruction::Command::CancelFollowMe,
        );
    }
    w.does(crate::Input::NewEpoch {
        epoch: faceshare_biz::domain::instruction::Epoch::new("second").expect("an epoch"),
    });
    w.say("bob", follow_me(Invite::Ask, Lock::None));
    assert_eq!(w.presenter(), Some(("bob", 4)));
}

#[test]
fn the_presenter_has_no_edge_and_its_followers_end_at_it() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    w.say("bob", follow("ann"));
    w.say("cat", follow("bob"));
    let entry = w.say("bob", follow_me(Invite::Ask, Lock::None));
    assert_eq!(
        told_edges(&entry),
        [
            ("bob", without_target(EdgeReason::Presenter)),
            ("cat", to("bob", "bob", EdgeReason::Chain))
        ]
    );
    assert_eq!(w.edge("bob"), None);
}

#[test]
fn who_followed_the_presenter_already_is_told_that_it_is_attached() {
    let mut w = World::with(&["ann", "bob"]);
    w.say("bob", follow("ann"));
    let entry = w.say("ann", follow_me(Invite::On, Lock::None));
    assert_eq!(
        told_edges(&entry),
        [("bob", to("ann", "ann", EdgeReason::Presenter))]
    );
}
