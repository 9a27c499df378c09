//! `sessEnd`.

use super::world::{SECOND, World, follow, genesis, id, seat};
use crate::{Input, Patch, Step, Via};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::facesession::{EndReason, Status};
use faceshare_biz::domain::instruction::{Command, Epoch, Event};

#[test]
fn only_the_host_ends_it() {
    let mut w = World::with(&["ann", "bob"]);
    assert_eq!(
        w.refuses(Input::End {
            by: Some(id("bob"))
        }),
        ErrorCode::Forbidden
    );
    let entry = w.does(Input::End {
        by: Some(id("ann")),
    });
    assert_eq!(
        (entry.events.as_slice(), entry.from),
        (
            [Event::SessEnd {
                reason: EndReason::HostEnded
            }]
            .as_slice(),
            Some(id("ann"))
        )
    );
    let session = w.state.face_session();
    assert_eq!(
        (session.status(), session.ended.map(|e| e.at)),
        (Status::Ended, Some(w.now))
    );
}

#[test]
fn the_platform_ends_it() {
    let mut w = World::with(&["ann"]);
    let entry = w.does(Input::End { by: None });
    assert_eq!(
        (entry.events.as_slice(), entry.from),
        (
            [Event::SessEnd {
                reason: EndReason::Platform
            }]
            .as_slice(),
            None
        )
    );
}

#[test]
fn after_the_end_nothing_is_accepted() {
    let mut start = genesis();
    start.auto_end_after = Some(600 * SECOND);
    let mut w = World::of(start).joined(&["ann", "bob"]);
    w.lose("bob", 1);
    w.does(Input::End {
        by: Some(id("ann")),
    });
    let connecting = w.connecting("bob", 1);
    let refused = [
        World::said("ann", 0, follow("bob")),
        connecting,
        w.losing("ann", 1),
        Input::Patch {
            by: id("ann"),
            patch: Patch::default(),
        },
        Input::HttpQuit { member: id("ann") },
        Input::Remove {
            by: id("ann"),
            member: id("bob"),
        },
        Input::End { by: None },
        Input::Due,
        seat("bob", 2, Via::Token),
    ];
    for input in refused {
        assert_eq!(w.refuses(input), ErrorCode::SessionEnded);
    }
    assert_eq!(w.state.next_deadline(&w.rules), None);
}

#[test]
fn a_restart_and_a_new_epoch_leave_the_end_as_it_was() {
    let mut w = World::with(&["ann"]);
    w.does(Input::End {
        by: Some(id("ann")),
    });
    let ended = w.state.ended();
    assert!(w.put(Input::Restart).is_ok());
    assert!(matches!(
        w.put(Input::NewEpoch {
            epoch: Epoch::new("next").expect("an epoch")
        }),
        Ok(Step::Entry(_))
    ));
    assert_eq!(w.state.ended(), ended);
    assert_eq!(w.state.next_deadline(&w.rules), None);
}

/// Bob left, cat was removed, dan left and was let in again, eve and fay never connected.
#[test]
fn the_record_of_an_ended_session_says_who_was_there() {
    let mut w = World::with(&["ann", "bob", "cat", "dan", "gus"]);
    w.say("bob", Command::Quit);
    w.does(Input::Remove {
        by: id("ann"),
        member: id("cat"),
    });
    w.say("dan", Command::Quit);
    for name in ["dan", "eve", "fay"] {
        w.does(seat(name, 1, Via::Code));
    }
    w.does(Input::HttpQuit { member: id("fay") });
    assert_eq!(w.state.record().attendees, [], "it is live");
    w.does(Input::End { by: None });
    let record = w.state.record();
    let mut expected = ["ann", "bob", "dan", "gus"].map(id);
    expected.sort();
    assert_eq!(record.attendees, expected);
    assert_eq!(record.log_index, w.state.index());
    assert_eq!(record.session, w.state.face_session());
}
