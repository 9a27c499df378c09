//! `memberJoin`.

use super::world::{SECOND, World, device, frames, genesis, id, point, seat};
use crate::{Access, Input, Patch, Via};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{Event, PointInfo, Role};

#[test]
fn the_first_point_of_an_admitted_account_makes_a_member() {
    let mut w = World::with(&["ann"]);
    assert_eq!(
        w.does(seat("bob", 1, Via::Code)).events,
        [],
        "it is not announced before it connects"
    );
    assert_eq!(w.state.access(id("bob")), Access::Admitted);
    w.wait(SECOND);
    let entry = w.connect("bob", 1);
    let Event::MemberJoin(member) = &entry.events[0] else {
        panic!("{entry:?}")
    };
    assert_eq!(
        (member.id, member.online, member.joined_at),
        (id("bob"), true, w.now)
    );
    assert_eq!(
        member.points,
        [PointInfo {
            id: point("bob", 1),
            device: device("bob 1")
        }]
    );
    assert_eq!(member.follow, None);
    assert_eq!(*member, w.member("bob"));
    assert_eq!(w.state.access(id("bob")), Access::Present);
}

#[test]
fn roles_are_host_member_and_guest() {
    let w = World::with(&["ann", "bob", "cat"]);
    let roles: Vec<_> = w.state.members().iter().map(|m| m.role).collect();
    assert_eq!(roles, [Role::Host, Role::Member, Role::Guest]);
    assert_eq!(w.state.face_session().member_count, 3);
}

#[test]
fn a_stranger_cannot_connect() {
    let mut w = World::with(&["ann"]);
    let connecting = w.connecting("bob", 1);
    assert_eq!(w.refuses(connecting), ErrorCode::Unauthenticated);
}

#[test]
fn a_seat_that_expired_lets_in_while_there_is_room() {
    let mut start = genesis();
    start.max_members = 2;
    let mut w = World::of(start).joined(&["ann"]);
    w.does(seat("bob", 1, Via::Code));
    w.wait(31 * SECOND);
    w.join("cat");
    let connecting = w.connecting("bob", 1);
    assert_eq!(w.refuses(connecting), ErrorCode::LimitExceeded);
    w.does(Input::HttpQuit { member: id("cat") });
    assert_eq!(frames(&w.connect("bob", 1)), ["memberJoin"]);
}

#[test]
fn the_host_always_has_a_place() {
    let mut start = genesis();
    start.max_members = 2;
    let mut w = World::of(start).joined(&["bob"]);
    assert_eq!(
        w.refuses(seat("cat", 1, Via::Code)),
        ErrorCode::NumberCodeNotJoinable
    );
    w.wait(40 * SECOND);
    assert_eq!(
        w.refuses(seat("cat", 1, Via::Code)),
        ErrorCode::NumberCodeNotJoinable
    );
    assert_eq!(frames(&w.join("ann")), ["memberJoin"]);
}

#[test]
fn a_lower_limit_removes_no_member_and_admits_none() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    w.does(seat("dan", 1, Via::Code));
    w.does(Input::Patch {
        by: id("ann"),
        patch: Patch {
            max_members: Some(2),
            ..Patch::default()
        },
    });
    assert_eq!(w.state.present().count(), 3);
    let connecting = w.connecting("dan", 1);
    assert_eq!(w.refuses(connecting), ErrorCode::LimitExceeded);
    assert_eq!(
        w.connect("bob", 2).events.len(),
        1,
        "members bring further devices"
    );
}

#[test]
fn a_known_point_that_comes_back_to_a_lower_limit_says_which_others_give_way() {
    let mut w = World::with(&["ann"]);
    w.connect("ann", 2);
    w.connect("ann", 3);
    w.does(Input::Restart);
    w.rules.points_per_member = 2;
    let entry = w.connect("ann", 3);
    let [Event::MemberChange(member)] = &entry.events[..] else {
        panic!("{:?}", entry.events)
    };
    assert_eq!(
        member.points.iter().map(|p| p.id).collect::<Vec<_>>(),
        [point("ann", 2), point("ann", 3)]
    );
    assert_eq!(*member, w.member("ann"));
}
