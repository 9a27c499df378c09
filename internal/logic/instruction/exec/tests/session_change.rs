//! `sessionChange`.

use super::world::{World, frames, genesis, id};
use crate::{Input, Patch, Step};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::Title;
use faceshare_biz::domain::facesession::{Admission, HostLeft};
use faceshare_biz::domain::instruction::{Command, Event, Role};

fn patch(by: &str, patch: Patch) -> Input {
    Input::Patch { by: id(by), patch }
}

#[test]
fn every_setting_is_told_to_all() {
    let mut w = World::with(&["ann", "bob"]);
    let all = Patch {
        title: Some(Title::new("New", 100).expect("a title")),
        admission: Some(Admission::Approval),
        max_members: Some(7),
        host_left: Some(HostLeft::Promote),
        locked: Some(true),
    };
    let entry = w.does(patch("ann", all.clone()));
    assert_eq!(entry.events, [Event::SessionChange(w.state.face_session())]);
    assert_eq!(entry.from, Some(id("ann")));
    let session = w.state.face_session();
    assert_eq!(
        (session.title.as_str(), session.max_members, session.locked),
        ("New", 7, true)
    );
    assert_eq!(
        (session.admission, session.host_left, session.member_count),
        (Admission::Approval, HostLeft::Promote, 2)
    );
    assert_eq!(w.put(patch("ann", all)), Ok(Step::Unchanged));
}

#[test]
fn what_is_not_named_stays() {
    let mut w = World::with(&["ann"]);
    let before = w.state.face_session();
    w.does(patch(
        "ann",
        Patch {
            max_members: Some(9),
            ..Patch::default()
        },
    ));
    assert_eq!(
        w.state.face_session(),
        faceshare_biz::domain::facesession::FaceSession {
            max_members: 9,
            ..before
        }
    );
    assert_eq!(w.put(patch("ann", Patch::default())), Ok(Step::Unchanged));
}

#[test]
fn only_the_host_changes_a_session_even_while_it_is_away() {
    let mut w = World::with(&["ann", "bob"]);
    let locked = Patch {
        locked: Some(true),
        ..Patch::default()
    };
    assert_eq!(
        w.refuses(patch("bob", locked.clone())),
        ErrorCode::Forbidden
    );
    w.say("ann", Command::Quit);
    w.does(patch("ann", locked));
}

#[test]
fn promote_makes_the_longest_present_online_member_the_host() {
    let mut start = genesis();
    start.host_left = HostLeft::Promote;
    let mut w = World::of(start).joined(&["ann", "dan", "cat", "bob"]);
    w.lose("dan", 1);
    w.wait(5 * super::world::SECOND);
    let entry = w.say("ann", Command::Quit);
    assert_eq!(frames(&entry), ["quit", "sessionChange", "memberChange"]);
    assert_eq!(
        w.state.host(),
        id("cat"),
        "dan was here first and is offline"
    );
    assert_eq!(
        entry.events[1],
        Event::SessionChange(w.state.face_session())
    );
    assert_eq!(entry.events[2], Event::MemberChange(w.member("cat")));
    assert_eq!(w.member("cat").role, Role::Host);
    assert_eq!(w.state.snapshot().auto_end, None);
    w.join("ann");
    assert_eq!(
        (w.member("ann").role, w.state.host()),
        (Role::Member, id("cat")),
        "the former host is a member"
    );
}

#[test]
fn of_those_who_joined_at_once_the_smallest_id_becomes_host() {
    let mut start = genesis();
    start.host_left = HostLeft::Promote;
    let mut w = World::of(start);
    for name in ["ann", "eve", "cat", "dan"] {
        w.join(name);
    }
    w.does(Input::HttpQuit { member: id("ann") });
    assert_eq!(w.state.host(), id("cat"));
}

#[test]
fn that_the_installation_forces_approval_is_told_and_is_no_choice_of_the_host() {
    let mut w = World::with(&["ann", "bob"]);
    let entry = w.does(Input::ForceAdmission { forced: true });
    assert_eq!(
        (entry.events, entry.from),
        (vec![Event::SessionChange(w.state.face_session())], None)
    );
    let session = w.state.face_session();
    assert_eq!(
        (session.admission_forced, session.admission),
        (true, Admission::Open)
    );
    assert_eq!(
        w.put(Input::ForceAdmission { forced: true }),
        Ok(Step::Unchanged)
    );
    w.does(patch(
        "ann",
        Patch {
            max_members: Some(9),
            ..Patch::default()
        },
    ));
    assert!(
        w.state.face_session().admission_forced,
        "whatever the host changes"
    );
    w.does(Input::ForceAdmission { forced: false });
    assert!(!w.state.face_session().admission_forced);
    w.does(Input::End {
        by: Some(id("ann")),
    });
    assert_eq!(
        w.refuses(Input::ForceAdmission { forced: true }),
        ErrorCode::SessionEnded
    );
}
