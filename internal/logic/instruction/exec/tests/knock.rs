//! Knocks: who waits, who answers, and how it ends.

use super::world::{SECOND, World, arrival, arrive, frames, genesis, id, knock, point, seat};
use crate::{Access, Arrival, Change, Genesis, Input, KnockAnswer, Patch, State, Step, Via};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::facesession::{Admission, HostLeft};
use faceshare_biz::domain::instruction::{Command, KnockState};

/// `ann`'s session, where she lets people in.
fn guarded() -> World {
    World::of(Genesis {
        admission: Admission::Approval,
        ..genesis()
    })
    .joined(&["ann"])
}

fn admit(name: &str) -> Command {
    Command::Admit {
        knock: Some(knock(name, 1)),
    }
}

fn deny(name: &str) -> Command {
    Command::Deny {
        knock: Some(knock(name, 1)),
    }
}

fn by_invite(name: &str, approval: bool) -> Input {
    Input::Arrive(Box::new(Arrival {
        via: Via::Invite,
        approval,
        ..arrival(name, 1, 7)
    }))
}

fn how(w: &World, name: &str) -> Option<KnockState> {
    w.state.knock(knock(name, 1)).map(|k| k.state)
}

#[test]
fn a_join_by_code_waits_without_an_ordered_frame() {
    let mut w = guarded();
    let entry = w.does(arrive("bob", 1));
    assert_eq!(frames(&entry), [""; 0]);
    assert_eq!(w.state.access(id("bob")), Access::Stranger);
    assert_eq!(
        w.state.knock_of(id("bob")).map(|k| k.id),
        Some(knock("bob", 1))
    );
    assert_eq!(w.state.waiting().count(), 1);
}

#[test]
fn where_the_door_is_open_one_gets_a_seat() {
    let mut w = World::with(&["ann"]);
    w.does(arrive("bob", 1));
    assert_eq!(w.state.access(id("bob")), Access::Admitted);
    w.does(Input::Arrive(Box::new(Arrival {
        approval: true,
        ..arrival("cat", 1, 1)
    })));
    assert_eq!(
        how(&w, "cat"),
        Some(KnockState::Waiting),
        "the installation's setting also holds for open admission"
    );
}

#[test]
fn an_invite_opens_the_door_unless_the_host_said_otherwise() {
    let mut w = guarded();
    w.does(by_invite("bob", false));
    assert_eq!(w.state.access(id("bob")), Access::Admitted);
    w.does(by_invite("cat", true));
    assert_eq!(how(&w, "cat"), Some(KnockState::Waiting));
}

#[test]
fn a_seat_by_code_is_not_to_be_had_past_the_host() {
    let mut w = guarded();
    assert_eq!(
        w.refuses(seat("bob", 1, Via::Code)),
        ErrorCode::NumberCodeNotJoinable
    );
}

#[test]
fn an_account_that_waits_keeps_its_knock() {
    let mut w = guarded();
    w.does(arrive("bob", 1));
    assert_eq!(w.put(arrive("bob", 2)), Ok(Step::Unchanged));
    assert_eq!(
        w.state.knock_of(id("bob")).map(|k| k.id),
        Some(knock("bob", 1))
    );
}

#[test]
fn who_is_let_in_has_a_seat_as_the_point_it_knocked_with() {
    let mut w = guarded();
    w.does(arrive("bob", 1));
    let entry = w.say("ann", admit("bob"));
    assert_eq!(frames(&entry), [""; 0]);
    assert_eq!(how(&w, "bob"), Some(KnockState::Admitted));
    assert_eq!(
        w.state.seat_expires_at(id("bob")),
        Some(w.now + w.rules.seat)
    );
    assert_eq!(w.state.owner_of_point(point("bob", 1)), Some(id("bob")));
    assert_eq!(frames(&w.connect("bob", 1)), ["memberJoin"]);
}

#[test]
fn who_was_let_in_before_need_not_knock() {
    let mut w = World::with(&["ann", "bob"]);
    w.does(Input::Patch {
        by: id("ann"),
        patch: Patch {
            admission: Some(Admission::Approval),
            ..Patch::default()
        },
    });
    w.say("bob", Command::Quit);
    w.does(arrive("bob", 2));
    assert_eq!(w.state.waiting().count(), 0);
    w.connect("bob", 2);
    assert!(w.has("bob"));
}

#[test]
fn who_is_denied_cannot_knock_again_nor_come_in_otherwise() {
    let mut w = guarded();
    w.does(arrive("bob", 1));
    w.say("ann", deny("bob"));
    assert_eq!(
        (how(&w, "bob"), w.state.is_denied(id("bob"))),
        (Some(KnockState::Denied), true)
    );
    for input in [
        arrive("bob", 2),
        by_invite("bob", false),
        by_invite("bob", true),
        seat("bob", 1, Via::Code),
    ] {
        assert_eq!(w.refuses(input), ErrorCode::NumberCodeNotJoinable);
    }
    assert_eq!(w.refuses(seat("bob", 1, Via::Token)), ErrorCode::NotFound);
    assert_eq!(
        w.refuses(Input::HttpQuit { member: id("bob") }),
        ErrorCode::NotFound
    );
    assert_eq!(
        w.refuses(Input::Remove {
            by: id("ann"),
            member: id("bob")
        }),
        ErrorCode::NotFound
    );
    let connect = w.connecting("bob", 1);
    assert_eq!(w.refuses(connect), ErrorCode::Unauthenticated);
    assert_eq!(w.state.access(id("bob")), Access::Stranger);
}

#[test]
fn whose_account_is_gone_waits_no_longer_and_cannot_be_let_in() {
    let mut w = guarded();
    w.does(arrive("bob", 1));
    w.does(arrive("cat", 1));
    let entry = w.does(Input::Gone { member: id("bob") });
    assert_eq!(
        entry.changes,
        [Change::KnockOver {
            knock: knock("bob", 1),
            state: KnockState::Expired
        }]
    );
    assert_eq!(frames(&entry), [""; 0]);
    assert_eq!(
        w.state.waiting().map(|k| k.id).collect::<Vec<_>>(),
        [knock("cat", 1)]
    );
    assert_eq!(w.refused("ann", admit("bob")), ErrorCode::Conflict);
    assert_eq!(
        w.refuses(Input::Gone { member: id("bob") }),
        ErrorCode::NotFound
    );
}

#[test]
fn a_withdrawn_knock_expires_once_and_only_its_sender_withdraws_it() {
    let mut w = guarded();
    w.does(arrive("bob", 1));
    let withdraw = |by| Input::WithdrawKnock {
        by: id(by),
        knock: knock("bob", 1),
    };
    assert_eq!(w.put(withdraw("cat")), Ok(Step::Unchanged));
    assert_eq!(how(&w, "bob"), Some(KnockState::Waiting));
    let entry = w.does(withdraw("bob"));
    assert_eq!(
        entry.changes,
        [Change::KnockOver {
            knock: knock("bob", 1),
            state: KnockState::Expired
        }]
    );
    assert_eq!(w.put(withdraw("bob")), Ok(Step::Unchanged));
    assert_eq!(w.refused("ann", admit("bob")), ErrorCode::Conflict);
}

#[test]
fn a_knock_is_answered_once() {
    let mut w = guarded();
    w.does(arrive("bob", 1));
    w.say("ann", admit("bob"));
    assert_eq!(w.refused("ann", admit("bob")), ErrorCode::Conflict);
    assert_eq!(w.refused("ann", deny("bob")), ErrorCode::Conflict);
    let again = Input::AnswerKnock {
        by: id("ann"),
        knock: knock("bob", 1),
        answer: KnockAnswer::Deny,
    };
    assert_eq!(w.refuses(again), ErrorCode::Conflict);
}

#[test]
fn the_same_nonce_again_is_the_same_answer() {
    let mut w = guarded();
    w.does(arrive("bob", 1));
    w.does(World::said("ann", 7, admit("bob")));
    assert_eq!(
        w.put(World::said("ann", 7, admit("bob"))),
        Ok(Step::Repeated(w.state.seq()))
    );
}

#[test]
fn only_the_host_answers_and_only_who_is_there() {
    let mut w = guarded();
    w.does(by_invite("cat", false));
    w.connect("cat", 1);
    w.does(arrive("bob", 1));
    assert_eq!(w.refused("cat", admit("bob")), ErrorCode::Forbidden);
    let answer = Input::AnswerKnock {
        by: id("cat"),
        knock: knock("bob", 1),
        answer: KnockAnswer::Admit,
    };
    assert_eq!(w.refuses(answer), ErrorCode::Forbidden);
    assert_eq!(w.refused("ann", admit("dan")), ErrorCode::NotFound);
    assert_eq!(
        w.refused("ann", Command::Admit { knock: None }),
        ErrorCode::InvalidArgument
    );
    assert_eq!(
        w.refused("ann", Command::Deny { knock: None }),
        ErrorCode::InvalidArgument
    );
}

#[test]
fn unanswered_it_expires_and_one_may_knock_again() {
    let mut w = guarded();
    w.does(arrive("bob", 1));
    let entries = w.wait(w.rules.knock);
    assert_eq!(entries.len(), 1);
    assert_eq!(how(&w, "bob"), Some(KnockState::Expired));
    assert_eq!(w.refused("ann", admit("bob")), ErrorCode::Conflict);
    w.does(arrive("bob", 2));
    assert_eq!(w.state.waiting().count(), 1);
}

#[test]
fn a_seat_by_another_way_ends_the_knock() {
    let mut w = guarded();
    w.does(arrive("bob", 1));
    let entry = w.does(by_invite("bob", false));
    let over = Change::KnockOver {
        knock: knock("bob", 1),
        state: KnockState::Admitted,
    };
    assert!(entry.changes.contains(&over), "{entry:?}");
}

#[test]
fn those_who_wait_are_bounded_for_the_session_and_for_an_address() {
    let mut w = guarded();
    (w.rules.knocks, w.rules.knocks_per_address) = (3, 2);
    let from = |name, origin| Input::Arrive(Box::new(arrival(name, 1, origin)));
    w.does(from("bob", 1));
    w.does(from("cat", 1));
    assert_eq!(w.refuses(from("dan", 1)), ErrorCode::LimitExceeded);
    w.does(from("dan", 2));
    assert_eq!(w.refuses(from("eve", 3)), ErrorCode::LimitExceeded);
    w.say("ann", deny("bob"));
    w.does(from("eve", 1));
}

#[test]
fn a_full_session_takes_no_knock_and_admits_no_account() {
    let mut w = World::of(Genesis {
        admission: Admission::Approval,
        max_members: 2,
        ..genesis()
    })
    .joined(&["ann"]);
    w.does(arrive("bob", 1));
    w.does(arrive("cat", 1));
    w.say("ann", admit("bob"));
    assert_eq!(w.refused("ann", admit("cat")), ErrorCode::LimitExceeded);
    assert_eq!(
        how(&w, "cat"),
        Some(KnockState::Waiting),
        "it goes on waiting"
    );
    assert_eq!(
        w.refuses(arrive("dan", 1)),
        ErrorCode::NumberCodeNotJoinable
    );
    w.wait(w.rules.seat + SECOND);
    w.say("ann", admit("cat"));
}

#[test]
fn locked_a_session_takes_no_knock_but_the_host_may_let_in_who_waits() {
    let mut w = guarded();
    w.does(arrive("bob", 1));
    w.does(Input::Patch {
        by: id("ann"),
        patch: Patch {
            locked: Some(true),
            ..Patch::default()
        },
    });
    assert_eq!(
        w.refuses(arrive("cat", 1)),
        ErrorCode::NumberCodeNotJoinable
    );
    w.say("ann", admit("bob"));
    w.connect("bob", 1);
    assert!(w.has("bob"));
}

#[test]
fn a_new_host_finds_those_who_wait() {
    let mut w = World::of(Genesis {
        admission: Admission::Approval,
        host_left: HostLeft::Promote,
        ..genesis()
    })
    .joined(&["ann"]);
    w.does(by_invite("cat", false));
    w.connect("cat", 1);
    w.does(arrive("bob", 1));
    w.say("ann", Command::Quit);
    assert_eq!(w.state.host(), id("cat"));
    w.say("cat", admit("bob"));
    assert_eq!(w.state.access(id("bob")), Access::Admitted);
}

#[test]
fn no_account_is_admitted_after_the_end() {
    let mut w = guarded();
    w.does(arrive("bob", 1));
    w.does(Input::End {
        by: Some(id("ann")),
    });
    let answer = Input::AnswerKnock {
        by: id("ann"),
        knock: knock("bob", 1),
        answer: KnockAnswer::Admit,
    };
    assert_eq!(w.refuses(answer), ErrorCode::SessionEnded);
    assert_eq!(w.refuses(arrive("cat", 1)), ErrorCode::SessionEnded);
}

#[test]
fn a_snapshot_from_before_there_were_knocks_still_reads() {
    let state = World::with(&["ann", "bob"]).state;
    let mut bytes = rmp_serde::to_vec_named(&state).expect("writes");
    // MessagePack: the name, a text of six bytes, and an empty map; the outer map counts its fields
    // in bytes 1 and 2.
    let field = b"\xa6knocks\x80";
    let at = bytes
        .windows(field.len())
        .position(|w| w == field)
        .expect("there is such a field");
    bytes.drain(at..at + field.len());
    assert_eq!(bytes[..2], [0xde, 0]);
    bytes[2] -= 1;
    assert_eq!(
        rmp_serde::from_slice::<State>(&bytes).expect("reads"),
        state
    );
}
