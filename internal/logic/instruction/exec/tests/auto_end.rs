//! `sessionAutoEnd`: countdowns, and what they lead to.

use super::world::{SECOND, World, all_frames, frames, genesis, id};
use crate::{Entry, Input, Rules};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::Timestamp;
use faceshare_biz::domain::facesession::{EndReason, HostLeft};
use faceshare_biz::domain::instruction::{AutoEnd, AutoEndReason, Command, Event};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn running(w: &World) -> Option<(AutoEndReason, Timestamp)> {
    w.state.snapshot().auto_end.map(|a| (a.reason, a.ends_at))
}

fn lasting(minutes: u32) -> World {
    let mut start = genesis();
    start.auto_end_after = Some(minutes * MINUTE);
    World::of(start)
}

fn ends_at(entries: &[Entry]) -> Timestamp {
    let last = entries.last().expect("an entry");
    assert_eq!(
        last.events,
        [Event::SessEnd {
            reason: EndReason::AutoEnd
        }]
    );
    last.at
}

#[test]
fn the_hosts_leaving_begins_a_countdown_that_ends_the_session_once() {
    let mut w = World::with(&["ann", "bob"]);
    let left = w.now;
    let entry = w.say("ann", Command::Quit);
    assert_eq!(frames(&entry), ["quit", "sessionAutoEnd"]);
    let ends = left + Rules::default().host_left;
    assert_eq!(
        entry.events[1],
        Event::SessionAutoEnd(AutoEnd {
            ends_at: ends,
            reason: AutoEndReason::HostLeft
        })
    );
    let entries = w.wait(60 * MINUTE);
    assert_eq!((entries.len(), ends_at(&entries)), (1, ends));
    assert_eq!(
        w.state.ended().map(|e| (e.at, e.reason)),
        Some((ends, EndReason::AutoEnd))
    );
    assert_eq!(w.state.next_deadline(&w.rules), None);
    assert_eq!(w.refuses(Input::Due), ErrorCode::SessionEnded);
}

#[test]
fn the_host_has_left_by_http_and_by_timeout_too() {
    let mut w = World::with(&["ann", "bob"]);
    assert_eq!(
        frames(&w.does(Input::HttpQuit { member: id("ann") })),
        ["httpQuit", "sessionAutoEnd"]
    );
    let mut w = World::with(&["ann", "bob"]);
    let lost = w.now;
    w.lose("ann", 1);
    assert_eq!(
        all_frames(&w.wait(29 * SECOND)),
        ["memberChange"],
        "within its grace it has not left"
    );
    assert_eq!(all_frames(&w.wait(SECOND)), ["quit", "sessionAutoEnd"]);
    assert_eq!(
        running(&w),
        Some((
            AutoEndReason::HostLeft,
            lost + Rules::default().grace + Rules::default().host_left
        ))
    );
}

#[test]
fn the_hosts_return_cancels() {
    let mut w = World::with(&["ann", "bob"]);
    w.say("ann", Command::Quit);
    w.wait(MINUTE);
    assert_eq!(w.state.host(), id("ann"), "it stays the host");
    assert_eq!(
        frames(&w.connect("ann", 1)),
        ["memberJoin", "cancelAutoEnd"]
    );
    assert_eq!(running(&w), None);
    assert!(w.wait(60 * MINUTE).is_empty());
}

#[test]
fn an_empty_session_ends_sooner_and_the_earliest_governs() {
    let mut w = World::with(&["ann", "bob"]);
    let host_left = w.now + Rules::default().host_left;
    w.say("ann", Command::Quit);
    w.wait(MINUTE);
    let empty = w.now + Rules::default().empty;
    assert_eq!(
        frames(&w.say("bob", Command::Quit)),
        ["quit", "sessionAutoEnd"]
    );
    assert_eq!(running(&w), Some((AutoEndReason::Empty, empty)));
    w.wait(30 * SECOND);
    assert_eq!(
        frames(&w.connect("bob", 1)),
        ["memberJoin", "sessionAutoEnd"]
    );
    assert_eq!(running(&w), Some((AutoEndReason::HostLeft, host_left)));
    w.say("bob", Command::Quit);
    assert_eq!(
        ends_at(&w.wait(60 * MINUTE)),
        w.state.ended().expect("ended").at
    );
}

#[test]
fn an_earlier_countdown_is_not_replaced_by_a_later_one() {
    let mut w = World::with(&["ann", "bob"]);
    let host_left = w.now + Rules::default().host_left;
    w.say("ann", Command::Quit);
    w.wait(Rules::default().host_left - 30 * SECOND);
    assert_eq!(frames(&w.say("bob", Command::Quit)), ["quit"]);
    assert_eq!(running(&w), Some((AutoEndReason::HostLeft, host_left)));
}

#[test]
fn a_session_without_members_ends_without_an_announced_countdown() {
    let mut w = World::new();
    let ends = w.now + Rules::default().empty;
    assert_eq!(running(&w), None);
    let entries = w.wait(60 * MINUTE);
    assert_eq!((entries.len(), ends_at(&entries)), (1, ends));
}

#[test]
fn the_first_to_come_ends_that_countdown_without_a_word() {
    let mut w = World::new();
    w.wait(50 * SECOND);
    assert_eq!(frames(&w.join("bob")), ["memberJoin"]);
    assert!(w.wait(60 * MINUTE).is_empty());
}

#[test]
fn the_scheduled_end_is_announced_five_minutes_before() {
    let mut w = lasting(20);
    let begun = w.now;
    w.join("ann");
    assert!(w.wait(15 * MINUTE - SECOND).is_empty());
    let entries = w.wait(SECOND);
    assert_eq!(all_frames(&entries), ["sessionAutoEnd"]);
    assert_eq!(
        running(&w),
        Some((AutoEndReason::Scheduled, begun + 20 * MINUTE))
    );
    assert_eq!(ends_at(&w.wait(60 * MINUTE)), begun + 20 * MINUTE);
}

#[test]
fn a_short_scheduled_end_is_announced_to_the_first_who_comes() {
    let mut w = lasting(3);
    assert_eq!(frames(&w.join("ann")), ["memberJoin", "sessionAutoEnd"]);
    assert_eq!(running(&w).map(|r| r.0), Some(AutoEndReason::Scheduled));
}

#[test]
fn a_scheduled_end_takes_over_from_a_later_one_and_not_from_an_earlier_one() {
    let mut w = lasting(10).joined(&["ann", "bob"]);
    w.wait(5 * MINUTE - 3 * SECOND);
    assert_eq!(
        frames(&w.say("ann", Command::Quit)),
        ["quit", "sessionAutoEnd"]
    );
    assert_eq!(
        running(&w).map(|r| r.0),
        Some(AutoEndReason::HostLeft),
        "it ends a second sooner"
    );
    assert_eq!(all_frames(&w.wait(60 * MINUTE)), ["sessEnd"]);
    let mut w = lasting(10).joined(&["ann", "bob"]);
    w.rules.host_left = 20 * MINUTE;
    w.say("ann", Command::Quit);
    assert_eq!(
        all_frames(&w.wait(60 * MINUTE)),
        ["sessionAutoEnd", "sessEnd"]
    );
}

#[test]
fn an_empty_session_still_ends_when_it_was_scheduled_to() {
    let mut w = lasting(10);
    let begun = w.now;
    w.rules.empty = 60 * MINUTE;
    let mut w = w.joined(&["ann"]);
    w.say("ann", Command::Quit);
    w.rules.host_left = 60 * MINUTE;
    assert_eq!(ends_at(&w.wait(120 * MINUTE)), begun + 10 * MINUTE);
}

#[test]
fn with_promote_and_no_member_online_the_countdown_runs() {
    let mut start = genesis();
    start.host_left = HostLeft::Promote;
    let mut w = World::of(start).joined(&["ann", "bob"]);
    w.lose("bob", 1);
    w.wait(5 * SECOND);
    assert_eq!(
        frames(&w.say("ann", Command::Quit)),
        ["quit", "sessionAutoEnd"]
    );
    assert_eq!(w.state.host(), id("ann"));
}

#[test]
fn with_promote_and_a_member_online_no_countdown_runs() {
    let mut start = genesis();
    start.host_left = HostLeft::Promote;
    let mut w = World::of(start).joined(&["ann", "bob"]);
    w.say("ann", Command::Quit);
    assert_eq!((w.state.host(), running(&w)), (id("bob"), None));
    assert!(w.wait(60 * MINUTE).is_empty());
}
