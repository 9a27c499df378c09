//! Seats: who is let in, by what right, and for how long a place is held.

use super::world::{SECOND, World, device, genesis, id, point, profile, seat};
use crate::{Access, Input, Patch, Reject, Rules, Step, Via};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::Command;

fn small(members: u32) -> World {
    let mut start = genesis();
    start.max_members = members;
    World::of(start)
}

fn lock(w: &mut World) {
    w.does(Input::Patch {
        by: id("ann"),
        patch: Patch {
            locked: Some(true),
            ..Patch::default()
        },
    });
}

fn refusal(w: &mut World, name: &str, via: Via) -> Reject {
    w.put(seat(name, 1, via)).expect_err("refused")
}

#[test]
fn a_seat_holds_a_place_until_it_expires() {
    let mut w = small(3).joined(&["ann"]);
    w.does(seat("bob", 1, Via::Code));
    w.does(seat("cat", 1, Via::Code));
    assert_eq!(
        w.state.seat_expires_at(id("bob")),
        Some(w.now + Rules::default().seat)
    );
    assert!(!w.state.has_room_for(id("dan"), w.now));
    w.wait(Rules::default().seat);
    assert!(w.state.has_room_for(id("dan"), w.now));
}

#[test]
fn asking_again_holds_the_place_for_longer() {
    let mut w = World::with(&["ann"]);
    w.does(seat("bob", 1, Via::Code));
    w.wait(10 * SECOND);
    w.does(seat("bob", 2, Via::Code));
    assert_eq!(
        w.state.seat_expires_at(id("bob")),
        Some(w.now + Rules::default().seat)
    );
}

#[test]
fn by_code_and_invite_every_refusal_is_the_same() {
    let mut answers = Vec::new();
    for via in [Via::Code, Via::Invite] {
        let mut full = small(2).joined(&["ann", "bob"]);
        answers.push(refusal(&mut full, "cat", via));
        let mut locked = World::with(&["ann"]);
        lock(&mut locked);
        answers.push(refusal(&mut locked, "cat", via));
        let mut removed = World::with(&["ann", "cat"]);
        removed.does(Input::Remove {
            by: id("ann"),
            member: id("cat"),
        });
        answers.push(refusal(&mut removed, "cat", via));
        let mut ended = World::with(&["ann"]);
        ended.does(Input::End {
            by: Some(id("ann")),
        });
        answers.push(refusal(&mut ended, "cat", via));
    }
    assert_eq!(answers[0].code, ErrorCode::NumberCodeNotJoinable);
    assert!(answers.iter().all(|a| *a == answers[0]), "{answers:?}");
}

#[test]
fn by_token_a_refusal_says_why() {
    let mut w = small(2).joined(&["ann", "bob"]);
    assert_eq!(w.refuses(seat("cat", 1, Via::Token)), ErrorCode::NotFound);
    w.say("bob", Command::Quit);
    w.join("cat");
    assert_eq!(
        w.refuses(seat("bob", 1, Via::Token)),
        ErrorCode::LimitExceeded
    );
    w.does(Input::Remove {
        by: id("ann"),
        member: id("bob"),
    });
    assert_eq!(w.refuses(seat("bob", 1, Via::Token)), ErrorCode::Forbidden);
    w.does(Input::End {
        by: Some(id("ann")),
    });
    assert_eq!(
        w.refuses(seat("cat", 1, Via::Token)),
        ErrorCode::SessionEnded
    );
}

#[test]
fn a_locked_session_keeps_out_only_those_who_were_never_let_in() {
    let mut w = World::with(&["ann", "bob", "dan"]);
    w.does(seat("cat", 1, Via::Code));
    w.say("bob", Command::Quit);
    lock(&mut w);
    assert_eq!(
        w.refuses(seat("eve", 1, Via::Code)),
        ErrorCode::NumberCodeNotJoinable
    );
    for (who, via) in [
        ("ann", Via::Code),
        ("bob", Via::Code),
        ("bob", Via::Token),
        ("cat", Via::Invite),
        ("dan", Via::Code),
    ] {
        assert!(w.put(seat(who, 2, via)).is_ok(), "{who}");
    }
    w.join("bob");
}

#[test]
fn readmission_by_token_needs_no_code_after_any_way_of_leaving() {
    let mut w = World::with(&["ann", "bob", "cat", "dan"]);
    w.say("bob", Command::Quit);
    w.does(Input::HttpQuit { member: id("cat") });
    w.lose("dan", 1);
    w.wait(40 * SECOND);
    for who in ["bob", "cat", "dan"] {
        assert_eq!(w.state.access(id(who)), Access::Left);
        w.does(seat(who, 3, Via::Token));
        w.connect(who, 3);
        assert!(w.has(who));
    }
}

#[test]
fn a_member_gets_further_points_without_taking_a_place() {
    let mut w = small(2).joined(&["ann", "bob"]);
    w.does(seat("bob", 2, Via::Token));
    w.does(seat("bob", 3, Via::Code));
    assert_eq!(w.state.owner_of_point(point("bob", 3)), Some(id("bob")));
    let renewal = Input::Seat {
        profile: profile("bob"),
        point: point("bob", 3),
        device: None,
        via: Via::Token,
    };
    assert_eq!(
        w.put(renewal),
        Ok(Step::Unchanged),
        "a renewed token is no news"
    );
}

#[test]
fn a_device_keeps_its_name_until_another_is_said() {
    let mut w = World::with(&["ann", "bob"]);
    let renewal = Input::Seat {
        profile: profile("bob"),
        point: point("bob", 1),
        device: None,
        via: Via::Token,
    };
    w.say("bob", Command::Quit);
    w.does(renewal);
    w.connect("bob", 1);
    assert_eq!(w.member("bob").points[0].device, device("bob 1"));
}

#[test]
fn points_are_remembered_up_to_a_bound_and_those_in_use_always() {
    let mut w = World::with(&["ann", "bob"]);
    for n in 2..60 {
        w.does(seat("bob", n, Via::Token));
    }
    for n in 2..6 {
        w.connect("bob", n);
    }
    let known = &w.state.person(id("bob")).expect("bob").devices;
    assert_eq!(known.len(), 16);
    assert!((1..6).all(|n| known.contains_key(&point("bob", n))));
    assert!(known.contains_key(&point("bob", 59)));
}

#[test]
fn the_longest_known_who_is_not_here_is_forgotten_and_the_removed_last() {
    let mut w = World::with(&["ann", "bob", "cat", "dan"]);
    w.rules.people_remembered = 4;
    w.does(Input::Remove {
        by: id("ann"),
        member: id("bob"),
    });
    w.say("cat", Command::Quit);
    w.does(seat("eve", 1, Via::Code));
    assert_eq!(w.state.access(id("cat")), Access::Stranger);
    assert_eq!(w.state.access(id("bob")), Access::Removed);
    w.does(seat("fay", 1, Via::Code));
    assert_eq!(w.state.access(id("bob")), Access::Stranger);
    assert_eq!(w.state.access(id("dan")), Access::Present);
}
