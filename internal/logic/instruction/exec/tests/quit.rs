//! `quit`.

use super::world::{SECOND, World, all_frames, frames, id, seat};
use crate::{Access, Input, Rules, Step, Via};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{Command, Event, QuitReason};

fn removes(by: &str, member: &str) -> Input {
    Input::Remove {
        by: id(by),
        member: id(member),
    }
}

#[test]
fn leaving_takes_effect_at_once_and_for_all_points() {
    let mut w = World::with(&["ann", "bob"]);
    w.does(seat("bob", 2, Via::Token));
    w.connect("bob", 2);
    let entry = w.say("bob", Command::Quit);
    assert_eq!(
        entry.events,
        [Event::Quit {
            member: id("bob"),
            reason: QuitReason::Left
        }]
    );
    assert_eq!(entry.from, Some(id("bob")));
    assert!(!w.has("bob"));
    assert_eq!(w.state.access(id("bob")), Access::Left);
    assert_eq!(w.refused("bob", Command::Quit), ErrorCode::MemberNotFound);
    assert_eq!(all_frames(&w.wait(100 * SECOND)), Vec::<&str>::new());
}

#[test]
fn who_left_may_come_back_with_its_token() {
    let mut w = World::with(&["ann", "bob"]);
    w.say("bob", Command::Quit);
    w.wait(SECOND);
    w.does(seat("bob", 2, Via::Token));
    assert_eq!(frames(&w.connect("bob", 2)), ["memberJoin"]);
    assert_eq!(w.member("bob").joined_at, w.now, "it joins again");
}

#[test]
fn a_grace_that_runs_out_is_a_timeout_by_the_server() {
    let mut w = World::with(&["ann", "bob"]);
    w.lose("bob", 1);
    let entries = w.wait(Rules::default().grace);
    let last = entries.last().expect("an entry");
    assert_eq!(
        last.events,
        [Event::Quit {
            member: id("bob"),
            reason: QuitReason::Timeout
        }]
    );
    assert_eq!(last.from, None);
    w.does(seat("bob", 1, Via::Token));
    assert_eq!(frames(&w.connect("bob", 1)), ["memberJoin"]);
}

#[test]
fn the_host_removes_and_the_removed_stays_out_by_every_way() {
    let mut w = World::with(&["ann", "bob"]);
    let entry = w.does(removes("ann", "bob"));
    assert_eq!(
        entry.events,
        [Event::Quit {
            member: id("bob"),
            reason: QuitReason::Removed
        }]
    );
    assert_eq!(w.state.access(id("bob")), Access::Removed);
    assert_eq!(w.refuses(seat("bob", 2, Via::Token)), ErrorCode::Forbidden);
    assert_eq!(
        w.refuses(seat("bob", 2, Via::Code)),
        ErrorCode::NumberCodeNotJoinable
    );
    assert_eq!(
        w.refuses(seat("bob", 2, Via::Invite)),
        ErrorCode::NumberCodeNotJoinable
    );
    let connecting = w.connecting("bob", 1);
    assert_eq!(w.refuses(connecting), ErrorCode::Forbidden);
    assert_eq!(w.refused("bob", Command::Quit), ErrorCode::MemberNotFound);
    assert_eq!(
        w.refuses(Input::HttpQuit { member: id("bob") }),
        ErrorCode::NotFound
    );
}

#[test]
fn only_the_host_removes_and_not_itself() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    assert_eq!(w.refuses(removes("bob", "cat")), ErrorCode::Forbidden);
    assert_eq!(w.refuses(removes("ann", "hal")), ErrorCode::NotFound);
    let own = w.put(removes("ann", "ann")).expect_err("refused");
    assert_eq!(
        (own.code, own.path),
        (ErrorCode::InvalidArgument, Some("memberId"))
    );
}

#[test]
fn an_absent_account_is_barred_without_an_event() {
    let mut w = World::with(&["ann", "bob"]);
    w.does(seat("cat", 1, Via::Code));
    w.say("bob", Command::Quit);
    for who in ["bob", "cat"] {
        assert_eq!(w.does(removes("ann", who)).events, []);
        let connecting = w.connecting(who, 1);
        assert_eq!(w.refuses(connecting), ErrorCode::Forbidden);
        assert_eq!(w.put(removes("ann", who)), Ok(Step::Unchanged));
    }
}

#[test]
fn a_host_that_is_away_still_removes() {
    let mut w = World::with(&["ann", "bob", "cat"]);
    w.say("ann", Command::Quit);
    w.does(removes("ann", "bob"));
    assert!(!w.has("bob"));
}
