//! Applies every instruction to one small session.

use super::SessionView;
use faceshare_api::v1::server_frame::Instruction;
use faceshare_api::v1::{
    Ack, Action, ActionSync, CancelAutoEnd, CancelFollow, CancelFollowMe, Edge, FaceSession, File,
    FileCreate, FileDelete, FollowChange, FollowMe, FollowOther, HttpQuit, Member, MemberChange,
    MemberJoin, MemberKnock, MoveAway, Nack, NumberCodeChange, Pointer, Presenting, Quit,
    ServerFrame, SessEnd, SessionAutoEnd, SessionChange, Snapshot, SysHeart, TokenRenewed, View,
    Welcome, action, action_sync, member_knock, welcome,
};
use faceshare_api::wellknown::Timestamp;

const ANN: u64 = 1;
const BEN: u64 = 2;
const EVE: u64 = 3;

fn member(id: u64, nickname: &str) -> Member {
    let joined_at = i64::try_from(id).expect("small") * 1000;
    Member {
        member_id: id,
        nickname: nickname.into(),
        online: true,
        joined_at: Some(Timestamp::from_millis(joined_at)),
        ..Member::default()
    }
}

fn edge(member_id: u64, target: u64, root: u64) -> Edge {
    Edge {
        member_id,
        target,
        root,
        ..Edge::default()
    }
}

/// Ann is the host, Ben is this member.
fn session() -> SessionView {
    let mut view = SessionView::default();
    view.welcome(&Welcome {
        self_: Some(welcome::Self_ {
            member_id: BEN,
            point_id: 20,
            role: 3,
        }),
        epoch: "e".into(),
        seq: 2,
        snapshot: Some(Snapshot {
            face_session: Some(FaceSession {
                id: 9,
                title: "Tea".into(),
                host_id: ANN,
                ..FaceSession::default()
            }),
            members: vec![member(ANN, "Ann"), member(BEN, "Ben")],
            files: vec![File {
                id: 7,
                name: "a.pdf".into(),
                ..File::default()
            }],
            actions: vec![Action {
                from: ANN,
                key: "view".into(),
                ..Action::default()
            }],
            ..Snapshot::default()
        }),
        ..Welcome::default()
    });
    view
}

fn frame(instruction: Instruction) -> ServerFrame {
    ServerFrame {
        seq: 3,
        at: None,
        from: ANN,
        instruction: Some(instruction),
    }
}

/// A name, an instruction, and a condition that the session must meet after it.
type Case = (&'static str, Instruction, fn(&SessionView) -> bool);

#[test]
fn each_instruction_has_its_effect() {
    let ben_is_away = Member {
        online: false,
        ..member(BEN, "Benjamin")
    };
    let presenting = Presenting {
        member_id: ANN,
        term: 1,
        ..Presenting::default()
    };
    let cases: [Case; 13] = [
        (
            "memberJoin",
            Instruction::MemberJoin(MemberJoin {
                member: Some(member(EVE, "Eve")),
            }),
            |view| view.nickname(EVE) == "Eve" && view.face_session.member_count == 3,
        ),
        (
            "memberChange",
            Instruction::MemberChange(MemberChange {
                member: Some(ben_is_away),
            }),
            |view| {
                view.nickname(BEN) == "Benjamin"
                    && !view.members[&BEN].online
                    && view.members.len() == 2
            },
        ),
        (
            "quit",
            Instruction::Quit(Quit {
                member_id: ANN,
                reason: 1,
            }),
            |view| {
                !view.members.contains_key(&ANN)
                    && view.action(ANN, "view").is_none()
                    && view.face_session.member_count == 1
            },
        ),
        (
            "httpQuit",
            Instruction::HttpQuit(HttpQuit { member_id: ANN }),
            |view| !view.members.contains_key(&ANN),
        ),
        (
            "followChange",
            Instruction::FollowChange(FollowChange {
                presenting: Some(presenting),
                edges: vec![edge(BEN, ANN, ANN)],
            }),
            |view| {
                view.is_presenter(ANN) && view.root(BEN) == Some(ANN) && view.edge(ANN).is_none()
            },
        ),
        (
            "sessionChange",
            Instruction::SessionChange(SessionChange {
                face_session: Some(FaceSession {
                    host_id: BEN,
                    locked: true,
                    ..FaceSession::default()
                }),
            }),
            |view| {
                view.is_host(BEN)
                    && !view.is_host(ANN)
                    && view.face_session.locked
                    && view.face_session.member_count == 2
            },
        ),
        (
            "fileCreate",
            Instruction::FileCreate(FileCreate {
                file: Some(File {
                    id: 8,
                    ..File::default()
                }),
            }),
            |view| view.files.len() == 2,
        ),
        (
            "fileDelete",
            Instruction::FileDelete(FileDelete {
                file_id: 7,
                by: ANN,
            }),
            |view| view.files.is_empty(),
        ),
        (
            "sessionAutoEnd",
            Instruction::SessionAutoEnd(SessionAutoEnd {
                ends_at: None,
                reason: 1,
            }),
            |view| view.auto_end.is_some(),
        ),
        (
            "cancelAutoEnd",
            Instruction::CancelAutoEnd(CancelAutoEnd {}),
            |view| view.auto_end.is_none(),
        ),
        (
            "sessEnd",
            Instruction::SessEnd(SessEnd { reason: 1 }),
            |view| view.ended == Some(1),
        ),
        (
            "actionSync",
            Instruction::ActionSync(ActionSync {
                key: "view".into(),
                value: Some(action_sync::Value::View(View {
                    page: 4,
                    ..View::default()
                })),
                ..ActionSync::default()
            }),
            |view| {
                matches!(
                    view.action(ANN, "view").and_then(|a| a.value.clone()),
                    Some(action::Value::View(View { page: 4, .. }))
                )
            },
        ),
        (
            "actionSync of another key",
            Instruction::ActionSync(ActionSync {
                key: "pointer".into(),
                value: Some(action_sync::Value::Pointer(Pointer { x: 0.5, y: 0.25 })),
                ..ActionSync::default()
            }),
            |view| view.action(ANN, "view").is_some() && view.action(ANN, "pointer").is_some(),
        ),
    ];
    for (name, instruction, holds) in cases {
        let mut view = session();
        view.apply(&frame(instruction));
        assert!(holds(&view), "{name}: {view:?}");
        assert_eq!(view.seq, 3, "{name}");
    }
}

#[test]
fn requests_answers_and_heartbeats_leave_the_session_unchanged() {
    for instruction in [
        Instruction::FollowMe(FollowMe::default()),
        Instruction::CancelFollowMe(CancelFollowMe {}),
        Instruction::FollowOther(FollowOther { target: ANN }),
        Instruction::CancelFollow(CancelFollow::default()),
        Instruction::Ack(Ack::default()),
        Instruction::Nack(Nack::default()),
        Instruction::SysHeart(SysHeart::default()),
        Instruction::TokenRenewed(TokenRenewed::default()),
        Instruction::MoveAway(MoveAway::default()),
        Instruction::NumberCodeChange(NumberCodeChange::default()),
        Instruction::MemberKnock(MemberKnock::default()),
    ] {
        let mut view = session();
        view.apply(&frame(instruction));
        assert_eq!(SessionView { seq: 2, ..view }, session());
    }
    let mut view = session();
    view.apply(&ServerFrame {
        seq: 3,
        instruction: None,
        ..ServerFrame::default()
    });
    assert_eq!(
        view.seq, 3,
        "an instruction that this build does not know still counts"
    );
}

#[test]
fn edges_are_added_removed_and_paused() {
    let mut view = session();
    let suspended = Edge {
        suspended: true,
        ..edge(BEN, ANN, 0)
    };
    for (change, target, root, presents) in [
        (
            FollowChange {
                presenting: Some(Presenting {
                    member_id: ANN,
                    ..Presenting::default()
                }),
                edges: vec![edge(BEN, ANN, ANN)],
            },
            ANN,
            Some(ANN),
            true,
        ),
        (
            FollowChange {
                presenting: Some(Presenting {
                    member_id: ANN,
                    ..Presenting::default()
                }),
                edges: vec![suspended],
            },
            ANN,
            None,
            true,
        ),
        (
            FollowChange {
                presenting: None,
                edges: vec![edge(BEN, 0, 0)],
            },
            0,
            None,
            false,
        ),
    ] {
        view.apply(&frame(Instruction::FollowChange(change)));
        assert_eq!(view.edge(BEN).map_or(0, |edge| edge.target), target);
        assert_eq!((view.root(BEN), view.is_presenter(ANN)), (root, presents));
    }
}

#[test]
fn a_resume_keeps_the_session_and_a_snapshot_replaces_it() {
    let mut view = session();
    view.welcome(&Welcome {
        resumed: true,
        seq: 5,
        self_: Some(welcome::Self_ {
            member_id: BEN,
            point_id: 21,
            role: 3,
        }),
        ..Welcome::default()
    });
    assert_eq!(
        (view.members.len(), view.seq, view.point),
        (2, 2, 21),
        "what was missed comes as frames"
    );
    view.welcome(&Welcome {
        seq: 1,
        snapshot: Some(Snapshot {
            members: vec![member(EVE, "Eve")],
            ..Snapshot::default()
        }),
        ..Welcome::default()
    });
    assert_eq!((view.members.len(), view.seq, view.files.len()), (1, 1, 0));
}

#[test]
fn join_requests_are_kept_until_answered_and_replaced_after_a_welcome() {
    let knock = |knock_id, state: member_knock::State| {
        frame(Instruction::MemberKnock(MemberKnock {
            knock_id,
            state: state.into(),
            ..MemberKnock::default()
        }))
    };
    let mut view = session();
    for id in [7, 8, 9] {
        view.apply(&knock(id, member_knock::State::Waiting));
    }
    view.apply(&knock(7, member_knock::State::Admitted));
    view.apply(&knock(8, member_knock::State::Expired));
    assert_eq!(view.knocks.keys().collect::<Vec<_>>(), [&9]);
    view.welcome(&Welcome {
        resumed: true,
        seq: 5,
        ..Welcome::default()
    });
    assert!(view.knocks.is_empty());
}

#[test]
fn a_former_host_has_no_join_requests() {
    let mut view = session();
    let host = |host_id| {
        frame(Instruction::SessionChange(SessionChange {
            face_session: Some(FaceSession {
                host_id,
                ..FaceSession::default()
            }),
        }))
    };
    view.apply(&host(BEN));
    view.apply(&frame(Instruction::MemberKnock(MemberKnock {
        knock_id: 9,
        state: member_knock::State::Waiting.into(),
        ..MemberKnock::default()
    })));
    view.apply(&host(BEN));
    assert_eq!(view.knocks.len(), 1);
    view.apply(&host(ANN));
    assert!(view.knocks.is_empty());
}

#[test]
fn the_roster_is_in_the_order_of_joining() {
    let mut view = session();
    view.apply(&frame(Instruction::MemberJoin(MemberJoin {
        member: Some(Member {
            joined_at: None,
            ..member(EVE, "Eve")
        }),
    })));
    let names: Vec<&str> = view
        .roster()
        .iter()
        .map(|member| member.nickname.as_str())
        .collect();
    assert_eq!(names, ["Eve", "Ann", "Ben"]);
    assert_eq!(view.nickname(77), "#77");
}
