//! `memberChange`.

use super::world::{SECOND, World, all_frames, device, frames, id, name, point, profile, seat};
use crate::{Input, Rules, Step, Via};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{Command, Event, Member, Role};
use faceshare_biz::domain::{Nickname, Timestamp};
use std::time::Duration;

fn told(entry: &crate::Entry) -> &Member {
    match entry.events.as_slice() {
        [Event::MemberChange(member)] => member,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lost_point_is_announced_after_the_debounce() {
    let mut w = World::with(&["ann", "bob"]);
    assert_eq!(w.lose("bob", 1).events, []);
    assert!(
        w.wait(Rules::default().debounce - Duration::from_millis(1))
            .is_empty()
    );
    assert!(w.member("bob").online);
    let entries = w.wait(Duration::from_millis(1));
    let member = told(&entries[0]);
    assert_eq!(
        (member.id, member.online, member.points.len()),
        (id("bob"), false, 0)
    );
    assert_eq!(entries.len(), 1);
}

#[test]
fn back_within_the_debounce_nothing_is_sent() {
    let mut w = World::with(&["ann", "bob"]);
    w.lose("bob", 1);
    w.wait(SECOND);
    assert_eq!(w.connect("bob", 1).events, []);
    assert!(w.wait(100 * SECOND).is_empty());
}

#[test]
fn the_grace_counts_from_the_loss() {
    let mut w = World::with(&["ann", "bob"]);
    let lost_at = w.now;
    w.lose("bob", 1);
    let entries = w.wait(60 * SECOND);
    assert_eq!(all_frames(&entries), ["memberChange", "quit"]);
    assert_eq!(entries[1].at, lost_at + Rules::default().grace);
}

#[test]
fn back_within_the_grace_is_online_again_and_the_grace_is_off() {
    let mut w = World::with(&["ann", "bob"]);
    let joined_at = w.member("bob").joined_at;
    w.lose("bob", 1);
    w.wait(29 * SECOND);
    let entry = w.connect("bob", 1);
    assert!(told(&entry).online);
    assert_eq!(told(&entry).joined_at, joined_at, "it never left");
    assert!(w.wait(100 * SECOND).is_empty());
}

#[test]
fn an_app_in_the_background_keeps_its_place_for_longer() {
    let mut w = World::with(&["ann", "bob"]);
    w.say("bob", Command::PointState { background: true });
    let lost_at = w.now;
    w.lose("bob", 1);
    assert_eq!(all_frames(&w.wait(60 * SECOND)), ["memberChange"]);
    let entries = w.wait(600 * SECOND);
    assert_eq!(all_frames(&entries), ["quit"]);
    assert_eq!(entries[0].at, lost_at + Rules::default().background_grace);
}

#[test]
fn an_app_back_from_the_background_has_the_usual_grace() {
    let mut w = World::with(&["ann", "bob"]);
    w.say("bob", Command::PointState { background: true });
    w.say("bob", Command::PointState { background: false });
    w.lose("bob", 1);
    assert_eq!(all_frames(&w.wait(30 * SECOND)), ["memberChange", "quit"]);
}

#[test]
fn another_point_is_announced_and_its_loss_removes_no_member() {
    let mut w = World::with(&["ann", "bob"]);
    w.does(seat("bob", 2, Via::Token));
    let entry = w.connect("bob", 2);
    let points: Vec<_> = told(&entry)
        .points
        .iter()
        .map(|p| (p.id, p.device.clone()))
        .collect();
    assert_eq!(
        points,
        [
            (point("bob", 1), device("bob 1")),
            (point("bob", 2), device("bob 2"))
        ]
    );
    w.lose("bob", 1);
    let entries = w.wait(100 * SECOND);
    assert_eq!(entries.len(), 1);
    assert!(told(&entries[0]).online);
    assert_eq!(told(&entries[0]).points.len(), 1);
}

#[test]
fn points_lost_together_leave_one_grace() {
    let mut w = World::with(&["ann", "bob"]);
    w.connect("bob", 2);
    w.lose("bob", 1);
    w.lose("bob", 2);
    assert_eq!(
        all_frames(&w.wait(60 * SECOND)),
        ["memberChange", "memberChange", "quit"]
    );
}

#[test]
fn the_same_point_again_is_a_new_incarnation_and_nobodys_news() {
    let mut w = World::with(&["ann", "bob"]);
    let stale = w.losing("bob", 1);
    assert_eq!(w.connect("bob", 1).events, []);
    assert_eq!(
        w.put(stale),
        Ok(Step::Unchanged),
        "a late loss of the old incarnation"
    );
    assert!(w.wait(100 * SECOND).is_empty());
    assert!(w.member("bob").online);
}

#[test]
fn a_loss_told_twice_counts_once() {
    let mut w = World::with(&["ann", "bob"]);
    let loss = w.losing("bob", 1);
    w.does(loss.clone());
    w.wait(SECOND);
    assert_eq!(w.put(loss.clone()), Ok(Step::Unchanged));
    w.wait(5 * SECOND);
    assert_eq!(
        w.put(loss),
        Ok(Step::Unchanged),
        "nor after it was announced"
    );
}

#[test]
fn a_sixth_point_is_one_too_many() {
    let mut w = World::with(&["ann", "bob"]);
    for n in 2..=5 {
        w.connect("bob", n);
    }
    let sixth = w.connecting("bob", 6);
    assert_eq!(w.refuses(sixth.clone()), ErrorCode::LimitExceeded);
    w.connect("bob", 3);
    w.say("bob", Command::Quit);
    w.does(seat("bob", 6, Via::Token));
    w.does(sixth);
}

#[test]
fn a_lost_point_makes_room_for_another_at_once() {
    let mut w = World::with(&["ann", "bob"]);
    for n in 2..=5 {
        w.connect("bob", n);
    }
    w.lose("bob", 2);
    let entry = w.connect("bob", 6);
    let points: Vec<_> = told(&entry).points.iter().map(|p| p.id).collect();
    assert_eq!(points, [1, 3, 4, 5, 6].map(|n| point("bob", n)));
    assert!(
        w.wait(60 * SECOND).is_empty(),
        "its loss is announced already"
    );
}

#[test]
fn a_restart_loses_every_point_and_the_grace_counts_from_it() {
    let mut w = World::with(&["ann", "bob"]);
    w.now = w.now + 3_600 * SECOND;
    w.does(Input::Restart);
    let restarted = w.now;
    w.connect("ann", 1);
    let entries = w.wait(29 * SECOND);
    assert_eq!(entries.len(), 1);
    assert_eq!(name(told(&entries[0]).id), "bob");
    let entries = w.wait(60 * SECOND);
    assert_eq!(
        (all_frames(&entries), entries[0].at),
        (vec!["quit"], restarted + Rules::default().grace)
    );
    assert_eq!(
        w.put(Input::Restart).map(|s| matches!(s, Step::Entry(_))),
        Ok(true),
        "ann is lost now"
    );
    assert_eq!(w.put(Input::Restart), Ok(Step::Unchanged));
}

#[test]
fn a_member_that_comes_in_again_shows_its_new_name_and_role() {
    let mut w = World::with(&["ann", "cat"]);
    assert_eq!(w.member("cat").role, Role::Guest);
    let mut profile = profile("cat");
    profile.nickname = Nickname::new("Catherine", 32).expect("a nickname");
    profile.avatar_url = "/v1/avatars/x".into();
    profile.guest = false;
    let entry = w.does(Input::Seat {
        profile: profile.clone(),
        point: point("cat", 1),
        device: None,
        via: Via::Token,
    });
    let member = told(&entry);
    assert_eq!(
        (member.nickname.as_str(), &*member.avatar_url, member.role),
        ("Catherine", "/v1/avatars/x", Role::Member)
    );
    assert_eq!(
        w.put(Input::Seat {
            profile,
            point: point("cat", 1),
            device: None,
            via: Via::Token
        }),
        Ok(Step::Unchanged)
    );
}

#[test]
fn a_new_name_for_a_connected_device_is_told() {
    let mut w = World::with(&["ann", "bob"]);
    let renamed = Input::Seat {
        profile: profile("bob"),
        point: point("bob", 1),
        device: Some(device("tablet")),
        via: Via::Token,
    };
    let entry = w.does(renamed);
    assert_eq!(told(&entry).points[0].device, device("tablet"));
}

#[test]
fn a_clock_that_goes_back_counts_as_standing_still() {
    let mut w = World::with(&["ann", "bob"]);
    let last = w.state.last_at();
    w.now = Timestamp::from_millis(5);
    assert_eq!(w.lose("bob", 1).at, last);
}

#[test]
fn deadlines_that_passed_unchecked_are_made_up_for() {
    let mut w = World::with(&["ann", "bob"]);
    w.lose("bob", 1);
    let entries = w.sleep(3_600 * SECOND);
    assert_eq!(
        entries.iter().map(frames).collect::<Vec<_>>(),
        [["memberChange"], ["quit"]]
    );
}
