//! `httpQuit`.

use super::world::{SECOND, World, frames, genesis, id, seat};
use crate::{Access, Input, Step, Via};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{AutoEndReason, Command, Event};

fn leaves(name: &str) -> Input {
    Input::HttpQuit { member: id(name) }
}

#[test]
fn a_member_leaves_without_a_socket() {
    let mut w = World::with(&["ann", "bob"]);
    let entry = w.does(leaves("bob"));
    assert_eq!(entry.events, [Event::HttpQuit { member: id("bob") }]);
    assert!(!w.has("bob"));
}

#[test]
fn whose_account_is_gone_leaves() {
    let mut w = World::with(&["ann", "bob"]);
    let entry = w.does(Input::Gone { member: id("bob") });
    assert_eq!(entry.events, [Event::HttpQuit { member: id("bob") }]);
    assert!(!w.has("bob"));
}

#[test]
fn a_member_leaves_within_its_grace() {
    let mut w = World::with(&["ann", "bob"]);
    w.lose("bob", 1);
    w.wait(5 * SECOND);
    assert_eq!(frames(&w.does(leaves("bob"))), ["httpQuit"]);
    assert!(w.wait(100 * SECOND).is_empty(), "the grace is off");
}

#[test]
fn who_was_only_let_in_gives_its_place_back_without_a_word() {
    let mut start = genesis();
    start.max_members = 2;
    let mut w = World::of(start).joined(&["ann"]);
    w.does(seat("bob", 1, Via::Code));
    assert!(!w.state.has_room_for(id("cat"), w.now));
    assert_eq!(w.does(leaves("bob")).events, []);
    assert!(w.state.has_room_for(id("cat"), w.now));
    assert_eq!(w.state.access(id("bob")), Access::Left);
}

#[test]
fn who_was_let_in_again_gives_its_place_back_too() {
    let mut start = genesis();
    start.max_members = 2;
    let mut w = World::of(start).joined(&["ann", "bob"]);
    w.say("bob", Command::Quit);
    w.does(seat("bob", 1, Via::Token));
    assert!(!w.state.has_room_for(id("cat"), w.now));
    w.does(leaves("bob"));
    assert!(w.state.has_room_for(id("cat"), w.now));
}

#[test]
fn leaving_twice_changes_nothing_and_a_stranger_is_not_found() {
    let mut w = World::with(&["ann", "bob"]);
    w.does(leaves("bob"));
    assert_eq!(w.put(leaves("bob")), Ok(Step::Unchanged));
    assert_eq!(w.refuses(leaves("hal")), ErrorCode::NotFound);
}

#[test]
fn a_host_that_never_came_and_will_not_starts_the_countdown() {
    let mut w = World::with(&["bob"]);
    let entry = w.does(leaves("ann"));
    assert_eq!(frames(&entry), ["sessionAutoEnd"]);
    assert_eq!(
        w.state.snapshot().auto_end.map(|a| a.reason),
        Some(AutoEndReason::HostLeft)
    );
}

#[test]
fn a_host_that_will_not_come_to_an_empty_session_has_left_for_those_who_come_later() {
    let mut w = World::new();
    w.does(leaves("ann"));
    w.join("bob");
    assert_eq!(
        w.state.snapshot().auto_end.map(|a| a.reason),
        Some(AutoEndReason::HostLeft)
    );
}
