//! `cancelAutoEnd`.

use super::world::{SECOND, World, genesis, id};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{Command, Event};

#[test]
fn the_host_cancels_the_scheduled_end_for_good() {
    let mut start = genesis();
    start.auto_end_after = Some(240 * SECOND);
    let mut w = World::of(start).joined(&["ann", "bob"]);
    assert_eq!(
        w.refused("bob", Command::CancelAutoEnd),
        ErrorCode::Forbidden
    );
    let entry = w.say("ann", Command::CancelAutoEnd);
    assert_eq!(
        (entry.events.as_slice(), entry.from),
        ([Event::CancelAutoEnd].as_slice(), Some(id("ann")))
    );
    assert_eq!(w.state.snapshot().auto_end, None);
    assert!(w.wait(3_600 * SECOND).is_empty());
}

#[test]
fn without_a_countdown_there_is_nothing_to_cancel() {
    let mut start = genesis();
    start.auto_end_after = Some(3_600 * SECOND);
    let mut w = World::of(start).joined(&["ann", "bob"]);
    assert_eq!(
        w.refused("ann", Command::CancelAutoEnd),
        ErrorCode::NothingToCancel,
        "a scheduled end that is not announced yet"
    );
    assert_eq!(
        w.refused("bob", Command::CancelAutoEnd),
        ErrorCode::Forbidden
    );
}

#[test]
fn a_member_cannot_cancel_the_countdown_of_a_host_that_left() {
    let mut w = World::with(&["ann", "bob"]);
    w.say("ann", Command::Quit);
    assert_eq!(
        w.refused("bob", Command::CancelAutoEnd),
        ErrorCode::Forbidden
    );
}
