//! The effects of intents and events in a session of three members.

use super::{App, ConnectionState, VIEW};
use crate::effect::Effect;
use crate::intent::Intent;
use entrance_client::{Closed, Event};
use faceshare_api::v1::client_frame::Instruction as Say;
use faceshare_api::v1::server_frame::Instruction;
use faceshare_api::v1::{
    ActionSync, Admit, CancelFollow, Deny, Edge, FaceSession, FollowChange, FollowMe, FollowOther,
    Member, MemberKnock, Presenting, Quit, ServerFrame, Snapshot, View, Welcome, action_sync,
    member_knock, welcome,
};
use faceshare_api::wellknown::Timestamp;
use std::time::Duration;

fn member(id: u64, nickname: &str, role: i32) -> Member {
    let joined_at = Some(Timestamp::from_millis(i64::try_from(id).expect("small")));
    Member {
        member_id: id,
        nickname: nickname.into(),
        role,
        online: true,
        joined_at,
        ..Member::default()
    }
}

/// A session with the host Ann (1), Ben (2) and Eve (3). `me` is the user.
pub(crate) fn session(me: u64, read_only: bool) -> App {
    let mut app = App::new(None, read_only);
    let snapshot = Snapshot {
        face_session: Some(FaceSession {
            id: 9,
            title: "Tea".into(),
            host_id: 1,
            ..FaceSession::default()
        }),
        members: vec![
            member(1, "Ann", 1),
            member(2, "Ben", 3),
            member(3, "Eve", 3),
        ],
        ..Snapshot::default()
    };
    let self_ = Some(welcome::Self_ {
        member_id: me,
        point_id: 10,
        role: 3,
    });
    let welcome = Welcome {
        self_,
        epoch: "e".into(),
        seq: 3,
        snapshot: Some(snapshot),
        ..Welcome::default()
    };
    let effects = app.on_event(&Event::Welcome {
        at: None,
        welcome: Box::new(welcome),
    });
    assert_eq!(effects, [Effect::FetchCode]);
    app
}

pub(crate) fn frame(app: &mut App, from: u64, instruction: Instruction) -> Vec<Effect> {
    let seq = app.view.seq + 1;
    app.on_event(&Event::Frame(Box::new(ServerFrame {
        seq,
        at: None,
        from,
        instruction: Some(instruction),
    })))
}

/// Ann presents; these follow her.
pub(crate) fn presents(app: &mut App, term: u32, followers: &[u64]) -> Vec<Effect> {
    let edges = followers
        .iter()
        .map(|id| Edge {
            member_id: *id,
            target: 1,
            root: 1,
            suspended: false,
            reason: 1,
        })
        .collect();
    let presenting = Some(Presenting {
        member_id: 1,
        invite: 1,
        lock: 1,
        term,
        since: None,
    });
    frame(
        app,
        1,
        Instruction::FollowChange(FollowChange { presenting, edges }),
    )
}

pub(crate) fn shows(app: &mut App, from: u64, view: View) {
    let value = Some(action_sync::Value::View(view));
    frame(
        app,
        from,
        Instruction::ActionSync(ActionSync {
            key: VIEW.into(),
            value,
            ..ActionSync::default()
        }),
    );
}

fn shown(effect: &Effect) -> (u32, View) {
    match effect {
        Effect::Act(ActionSync {
            term,
            value: Some(action_sync::Value::View(view)),
            ..
        }) => (*term, *view),
        other => panic!("shows nothing: {other:?}"),
    }
}

#[test]
fn a_new_presenter_sends_its_position_once_a_term() {
    let mut ann = session(1, false);
    ann.on_intent(Intent::Page(4));
    let effects = presents(&mut ann, 7, &[]);
    assert_eq!(
        (
            effects.len(),
            shown(&effects[0]).0,
            shown(&effects[0]).1.page
        ),
        (1, 7, 4)
    );
    assert!(presents(&mut ann, 7, &[2]).is_empty());
}

#[test]
fn turning_a_page_while_following_pauses_and_starts_from_what_is_shown() {
    let mut ben = session(2, false);
    presents(&mut ben, 1, &[2]);
    shows(
        &mut ben,
        1,
        View {
            page: 6,
            zoom: 2.0,
            ..View::default()
        },
    );
    assert_eq!(ben.current_position().page, 6);
    let effects = ben.on_intent(Intent::TurnPage(1));
    assert_eq!(
        effects[0],
        Effect::Say(Say::CancelFollow(CancelFollow { suspend: 3 }))
    );
    assert_eq!(
        (
            shown(&effects[1]).0,
            shown(&effects[1]).1.page,
            shown(&effects[1]).1.zoom
        ),
        (0, 7, 2.0)
    );
}

#[test]
fn pausing_twice_follows_the_same_member_again() {
    let mut ben = session(2, false);
    presents(&mut ben, 1, &[2]);
    assert_eq!(
        ben.on_intent(Intent::Suspend)[0],
        Effect::Say(Say::CancelFollow(CancelFollow { suspend: 5 }))
    );
    let paused = Edge {
        member_id: 2,
        target: 1,
        root: 0,
        suspended: true,
        reason: 2,
    };
    let presenting = ben.view.presenting;
    frame(
        &mut ben,
        2,
        Instruction::FollowChange(FollowChange {
            presenting,
            edges: vec![paused],
        }),
    );
    assert_eq!(
        ben.on_intent(Intent::Suspend),
        [Effect::Say(Say::FollowOther(FollowOther { target: 1 }))]
    );
}

#[test]
fn a_watcher_follows_each_presentation_once_and_can_do_little_else() {
    let mut eve = session(3, true);
    let follow = [Effect::Say(Say::FollowOther(FollowOther { target: 1 }))];
    assert_eq!(presents(&mut eve, 1, &[]), follow);
    assert!(presents(&mut eve, 1, &[2]).is_empty());
    assert_eq!(presents(&mut eve, 2, &[]), follow);
    assert!(eve.on_intent(Intent::Present).is_empty() && eve.on_intent(Intent::End).is_empty());
    assert_eq!(eve.on_intent(Intent::Quit), [Effect::Leave]);
}

#[test]
fn admit_and_deny_answer_the_oldest_knock_and_do_nothing_without_one() {
    let mut ann = session(1, false);
    let knock = |knock_id, state: member_knock::State| {
        Instruction::MemberKnock(MemberKnock {
            knock_id,
            nickname: "Kim".into(),
            state: state.into(),
            ..MemberKnock::default()
        })
    };
    frame(&mut ann, 0, knock(8, member_knock::State::Waiting));
    frame(&mut ann, 0, knock(9, member_knock::State::Waiting));
    assert_eq!(
        ann.on_intent(Intent::Admit(None)),
        [Effect::Say(Say::Admit(Admit { knock_id: 8 }))]
    );
    frame(&mut ann, 0, knock(8, member_knock::State::Admitted));
    assert_eq!(
        ann.on_intent(Intent::Deny(None)),
        [Effect::Say(Say::Deny(Deny { knock_id: 9 }))]
    );
    frame(&mut ann, 0, knock(9, member_knock::State::Denied));
    assert!(ann.on_intent(Intent::Admit(None)).is_empty());
}

#[test]
fn ending_the_session_needs_a_confirmation() {
    let mut ann = session(1, false);
    assert!(ann.on_intent(Intent::End).is_empty() && ann.confirming_end);
    assert!(ann.on_intent(Intent::Confirm(false)).is_empty() && !ann.confirming_end);
    ann.on_intent(Intent::End);
    assert_eq!(ann.on_intent(Intent::Confirm(true)), [Effect::End]);
}

#[test]
fn the_invite_key_cycles_and_a_lock_keeps_the_presenter() {
    let mut ann = session(1, false);
    presents(&mut ann, 1, &[]);
    assert_eq!(
        ann.on_intent(Intent::Invite(None)),
        [Effect::Say(Say::FollowMe(FollowMe {
            invite: 2,
            lock: 1,
            presenter: 0
        }))]
    );
    assert_eq!(
        ann.on_intent(Intent::LockFollowing),
        [Effect::Say(Say::FollowMe(FollowMe {
            invite: 2,
            lock: 2,
            presenter: 1
        }))]
    );
}

#[test]
fn selection_stays_in_the_roster_and_ends_with_its_member() {
    let mut ann = session(1, false);
    for (by, selected) in [(1, 1), (1, 2), (1, 3), (1, 3), (-1, 2)] {
        ann.on_intent(Intent::Select(by));
        assert_eq!(ann.selected, Some(selected));
    }
    assert_eq!(
        ann.on_intent(Intent::Follow(None)),
        [Effect::Say(Say::FollowOther(FollowOther { target: 2 }))]
    );
    frame(
        &mut ann,
        2,
        Instruction::Quit(Quit {
            member_id: 2,
            reason: 1,
        }),
    );
    assert_eq!(ann.selected, None);
}

#[test]
fn what_only_the_host_may_do_is_refused_to_others_without_asking_the_server() {
    let hosts = [
        Intent::End,
        Intent::Rotate,
        Intent::LockDoor,
        Intent::LockFollowing,
        Intent::Remove(Some(3)),
    ];
    for intent in hosts {
        let mut ben = session(2, false);
        assert!(
            ben.on_intent(intent).is_empty() && !ben.confirming_end,
            "{intent:?}"
        );
        assert_eq!(
            ben.log.back().map(|line| line.text.as_str()),
            Some("only the host can do that")
        );
    }
}

fn lines(app: &App) -> Vec<&str> {
    app.log.iter().map(|line| line.text.as_str()).collect()
}

#[test]
fn the_attempts_of_an_outage_share_one_line_that_counts_them() {
    let mut ann = session(1, false);
    let before = ann.log.len();
    let outage = |app: &mut App, attempts: u32| {
        for attempt in 1..=attempts {
            app.on_event(&Event::Reconnecting {
                attempt,
                delay: Duration::from_millis(200),
                why: "gone".into(),
            });
        }
    };
    outage(&mut ann, 40);
    assert_eq!(
        lines(&ann)[before..],
        ["connection lost (gone); attempt 40 in 200 ms"]
    );
    let resumed = Welcome {
        resumed: true,
        epoch: "e".into(),
        seq: 3,
        ..Welcome::default()
    };
    ann.on_event(&Event::Welcome {
        at: None,
        welcome: Box::new(resumed),
    });
    outage(&mut ann, 2);
    let expected = [
        "connection lost (gone); attempt 40 in 200 ms",
        "resumed where it was after 40 attempts: “Tea”",
        "connection lost (gone); attempt 2 in 200 ms",
    ];
    assert_eq!(lines(&ann)[before..], expected);
}

#[test]
fn an_instruction_that_the_server_refuses_for_now_is_shown() {
    let mut ann = session(1, false);
    let (code, detail) = (
        "UNAVAILABLE".into(),
        "the session log cannot be written".into(),
    );
    ann.on_event(&Event::Retrying {
        code,
        detail,
        delay: Duration::from_secs(2),
    });
    let said = "the server does not do that now: the session log cannot be written (UNAVAILABLE); asking again in 2 s";
    assert_eq!(lines(&ann).last(), Some(&said));
}

#[test]
fn following_is_one_line_and_not_two() {
    let mut ann = session(1, false);
    let before = ann.log.len();
    frame(
        &mut ann,
        2,
        Instruction::FollowOther(FollowOther { target: 1 }),
    );
    let edges = vec![Edge {
        member_id: 2,
        target: 1,
        root: 1,
        ..Edge::default()
    }];
    frame(
        &mut ann,
        2,
        Instruction::FollowChange(FollowChange {
            presenting: None,
            edges,
        }),
    );
    frame(
        &mut ann,
        2,
        Instruction::CancelFollow(CancelFollow { suspend: 3 }),
    );
    let edges = vec![Edge {
        member_id: 2,
        target: 1,
        suspended: true,
        ..Edge::default()
    }];
    frame(
        &mut ann,
        2,
        Instruction::FollowChange(FollowChange {
            presenting: None,
            edges,
        }),
    );
    assert_eq!(
        lines(&ann)[before..],
        ["Ben follows Ann (you)", "Ben follows Ann (you), paused"]
    );
}

#[test]
fn the_state_of_the_connection_is_shown() {
    let mut ann = session(1, false);
    ann.on_event(&Event::Reconnecting {
        attempt: 2,
        delay: Duration::from_millis(400),
        why: "gone".into(),
    });
    assert_eq!(
        ann.link,
        ConnectionState::Reconnecting {
            attempt: 2,
            delay: Duration::from_millis(400)
        }
    );
    let closed = Closed {
        code: 4010,
        reason: "ended".into(),
        refusal: None,
    };
    ann.on_event(&Event::Closed(closed.clone()));
    assert_eq!(ann.link, ConnectionState::Closed(closed));
}
