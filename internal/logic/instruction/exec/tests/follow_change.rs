//! `followChange`: what leaving, coming and promotion do to the follow graph.

use super::world::{
    SECOND, STOP, World, follow, follow_me, follow_them, frames, genesis, to, told_edges,
    without_target,
};
use crate::{Input, Rules};
use faceshare_biz::domain::facesession::HostLeft;
use faceshare_biz::domain::instruction::{Command, EdgeReason, Event, Invite, Lock};

#[test]
fn a_leaver_frees_its_followers() {
    let mut w = World::with(&["ann", "bob", "cat", "dan"]);
    w.say("bob", follow("cat"));
    w.say("dan", follow("bob"));
    let entry = w.say("cat", Command::Quit);
    assert_eq!(frames(&entry), ["quit", "followChange"]);
    assert_eq!(
        told_edges(&entry),
        [
            ("bob", without_target(EdgeReason::TargetLeft)),
            ("dan", to("bob", "bob", EdgeReason::Chain))
        ]
    );
    w.join("cat");
    assert_eq!(w.edge("bob"), None, "coming back brings no follower back");
}

#[test]
fn a_leaver_without_followers_is_no_follow_change() {
    let mut w = World::with(&["ann", "bob"]);
    w.say("bob", follow("ann"));
    assert_eq!(frames(&w.say("bob", Command::Quit)), ["quit"]);
}

#[test]
fn a_leavers_name_goes_from_targets_that_do_not_count_now_without_a_word() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    w.say("bob", follow("cat"));
    w.say("ann", follow_me(Invite::On, Lock::None));
    let entry = w.say("cat", Command::Quit);
    assert_eq!(frames(&entry), ["quit"]);
    assert_eq!(w.edge("bob"), Some(to("ann", "ann", EdgeReason::Presenter)));
    w.say("ann", Command::CancelFollowMe);
    assert_eq!(w.edge("bob"), None);
}

#[test]
fn presenting_ends_with_the_presenter_leaving() {
    let mut w = World::with(&["ann", "bob", "cat", "dan"]);
    w.say("cat", follow("dan"));
    w.say("bob", follow_me(Invite::On, Lock::None));
    let entry = w.say("bob", Command::Quit);
    assert_eq!(frames(&entry), ["quit", "followChange"]);
    assert!(matches!(
        entry.events[1],
        Event::FollowChange {
            presenting: None,
            ..
        }
    ));
    assert_eq!(
        told_edges(&entry),
        [
            ("ann", without_target(EdgeReason::TargetLeft)),
            ("cat", to("dan", "dan", EdgeReason::Restored)),
            ("dan", without_target(EdgeReason::TargetLeft)),
        ]
    );
}

#[test]
fn a_joiner_under_on_is_attached_and_its_edge_travels_in_member_join() {
    let mut w = World::with(&["ann", "bob"]);
    w.say("ann", follow_me(Invite::On, Lock::None));
    let entry = w.join("cat");
    assert_eq!(frames(&entry), ["memberJoin"]);
    let Event::MemberJoin(member) = &entry.events[0] else {
        panic!("{entry:?}")
    };
    assert_eq!(member.follow, w.member("cat").follow);
    assert_eq!(w.edge("cat"), Some(to("ann", "ann", EdgeReason::Presenter)));
}

#[test]
fn a_joiner_under_ask_or_off_follows_no_member() {
    let mut w = World::with(&["ann"]);
    w.say("ann", follow_me(Invite::Ask, Lock::None));
    w.join("bob");
    w.say("ann", follow_me(Invite::Off, Lock::None));
    w.join("cat");
    assert_eq!((w.edge("bob"), w.edge("cat")), (None, None));
}

#[test]
fn a_presenter_lost_and_back_within_its_grace_goes_on() {
    let mut w = World::with(&["ann", "bob"]);
    w.say("bob", follow_me(Invite::On, Lock::None));
    w.lose("bob", 1);
    w.wait(20 * SECOND);
    assert_eq!(
        (w.presenter(), w.root("ann")),
        (Some(("bob", 1)), Some("bob"))
    );
    w.connect("bob", 1);
    w.wait(60 * SECOND);
    assert_eq!(
        (w.presenter(), w.root("ann")),
        (Some(("bob", 1)), Some("bob"))
    );
}

#[test]
fn presenting_ends_at_the_end_of_the_presenters_grace() {
    let mut w = World::with(&["ann", "bob"]);
    w.say("bob", follow_me(Invite::On, Lock::None));
    w.lose("bob", 1);
    let entries = w.wait(Rules::default().grace);
    let last = entries.last().expect("an entry");
    assert_eq!(frames(last), ["quit", "followChange"]);
    assert_eq!(
        told_edges(last),
        [("ann", without_target(EdgeReason::TargetLeft))]
    );
    assert_eq!(w.presenter(), None);
}

#[test]
fn presenting_ends_when_the_presenter_is_removed_or_quits_over_http() {
    for way in [
        Input::Remove {
            by: super::world::id("ann"),
            member: super::world::id("bob"),
        },
        Input::HttpQuit {
            member: super::world::id("bob"),
        },
    ] {
        let mut w = World::with(&["ann", "bob", "cat"]);
        w.say("ann", follow_them("bob", Invite::On, Lock::Hard));
        w.does(way);
        assert_eq!(
            (w.presenter(), w.edge("ann"), w.edge("cat")),
            (None, None, None)
        );
    }
}

#[test]
fn a_promoted_host_is_told_with_the_edge_that_it_has_by_then() {
    let mut start = genesis();
    start.host_left = HostLeft::Promote;
    let mut w = World::of(start).joined(&["ann", "bob", "cat"]);
    w.say("cat", follow("ann"));
    w.say("bob", follow("cat"));
    let entry = w.say("ann", Command::Quit);
    assert_eq!(
        frames(&entry),
        ["quit", "followChange", "sessionChange", "memberChange"]
    );
    let Event::MemberChange(member) = &entry.events[3] else {
        panic!("{entry:?}")
    };
    assert_eq!(*member, w.member("bob"));
    assert_eq!(w.edge("bob"), Some(to("cat", "cat", EdgeReason::Chain)));
}

#[test]
fn every_edge_that_did_not_change_is_left_out() {
    let mut w = World::with(&["ann", "bob", "cat", "dan"]);
    w.say("bob", follow("ann"));
    w.say("cat", follow("dan"));
    assert_eq!(
        told_edges(&w.say("cat", STOP)),
        [("cat", without_target(EdgeReason::Cancelled))]
    );
}
