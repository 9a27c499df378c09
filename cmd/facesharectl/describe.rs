//! A frame as one line for people.

use crate::text;
use entrance_client::SessionView;
use faceshare_api::v1::server_frame::Instruction;
use faceshare_api::v1::{
    ActionSync, Edge, FaceSession, FollowMe, Member, ServerFrame, action_sync, follow_me,
    member_knock, quit, session_auto_end,
};

/// What a line is about, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Members and the session.
    Session,
    /// Presenting.
    Present,
    /// Following.
    Follow,
    /// A member's position.
    Position,
    /// The connection.
    Connection,
    /// The user should notice it.
    Warning,
}

/// One line of the event log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogLine {
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

impl LogLine {
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }
}

/// Describes a frame. `view` is the session before the frame. `None` for answers, heartbeats and
/// tokens, and for `followOther` and `cancelFollow`, because the `followChange` that follows them
/// says the result.
pub(crate) fn describe(frame: &ServerFrame, view: &SessionView) -> Option<LogLine> {
    let name = |id| name(view, id);
    let session = |text: String| Some(LogLine::new(Kind::Session, text));
    match frame.instruction.as_ref()? {
        Instruction::MemberJoin(join) => join
            .member
            .as_ref()
            .and_then(|member| session(format!("{} joined", called(view, member)))),
        Instruction::MemberChange(change) => change
            .member
            .as_ref()
            .and_then(|member| session(member_change(view, member))),
        Instruction::Quit(left) => session(format!(
            "{} {}",
            name(left.member_id),
            quit_reason(left.reason)
        )),
        Instruction::HttpQuit(left) => session(format!("{} left", name(left.member_id))),
        Instruction::FollowMe(follow_me) => Some(LogLine::new(
            Kind::Present,
            presents(view, frame.from, follow_me),
        )),
        Instruction::CancelFollowMe(_) => Some(LogLine::new(
            Kind::Present,
            format!("{} ended the presentation", name(frame.from)),
        )),
        Instruction::FollowChange(change) => {
            let edges: Vec<String> = change
                .edges
                .iter()
                .map(|edge| edge_text(view, edge))
                .collect();
            (!edges.is_empty()).then(|| LogLine::new(Kind::Follow, edges.join("; ")))
        }
        Instruction::ActionSync(action) => Some(LogLine::new(
            Kind::Position,
            format!("{} {}", name(frame.from), shown(action)),
        )),
        Instruction::FileCreate(create) => create
            .file
            .as_ref()
            .and_then(|file| session(format!("{} shared {}", name(file.created_by), file.name))),
        Instruction::FileDelete(delete) => {
            let file = view
                .files
                .get(&delete.file_id)
                .map_or("a file", |file| file.name.as_str());
            session(format!("{} removed {file}", name(delete.by)))
        }
        Instruction::SessionAutoEnd(end) => {
            let left = end.ends_at.map_or_else(
                || "soon".into(),
                |at| format!("in {}", text::time_left(at, text::now_millis())),
            );
            Some(LogLine::new(
                Kind::Warning,
                format!("the session ends {left}: {}", countdown(end.reason)),
            ))
        }
        Instruction::CancelAutoEnd(_) => session("the countdown is off".into()),
        Instruction::SessEnd(end) => session(format!(
            "the session has ended: {}",
            text::end_reason(end.reason)
        )),
        Instruction::SessionChange(change) => change
            .face_session
            .as_ref()
            .and_then(|now| session(session_change(view, now))),
        Instruction::NumberCodeChange(change) => session(
            match change.expires_at {
                Some(_) => "the number code changed",
                None => "the number code has expired",
            }
            .into(),
        ),
        Instruction::MemberKnock(knock) if knock.state == member_knock::State::Waiting as i32 => {
            Some(LogLine::new(
                Kind::Warning,
                format!("{} waits at the door", knock.nickname),
            ))
        }
        Instruction::MemberKnock(knock) => {
            session(format!("{} {}", knock.nickname, knock_end(knock.state)))
        }
        Instruction::MoveAway(_) => Some(LogLine::new(
            Kind::Connection,
            "the server is about to stop; moving to another",
        )),
        Instruction::Welcome(_)
        | Instruction::Ack(_)
        | Instruction::Nack(_)
        | Instruction::SysHeart(_)
        | Instruction::TokenRenewed(_)
        | Instruction::FollowOther(_)
        | Instruction::CancelFollow(_) => None,
    }
}

fn name(view: &SessionView, id: u64) -> String {
    match id {
        0 => "the server".into(),
        id if id == view.me => format!("{} (you)", view.nickname(id)),
        id => view.nickname(id),
    }
}

fn called(view: &SessionView, member: &Member) -> String {
    if member.member_id == view.me {
        format!("{} (you)", member.nickname)
    } else {
        member.nickname.clone()
    }
}

fn member_change(view: &SessionView, now: &Member) -> String {
    let who = called(view, now);
    let Some(before) = view.members.get(&now.member_id) else {
        return format!("{who} is here");
    };
    if before.nickname != now.nickname {
        return format!("{} is now called {}", before.nickname, now.nickname);
    }
    if before.role != now.role {
        return format!("{who} is now {}", text::role(now.role));
    }
    match (before.online, now.online) {
        (true, false) => format!("{who} is away"),
        (false, true) => format!("{who} is back"),
        _ => format!(
            "{who} is connected with {} device{}",
            now.points.len(),
            if now.points.len() == 1 { "" } else { "s" }
        ),
    }
}

const fn knock_end(state: i32) -> &'static str {
    match state {
        s if s == member_knock::State::Admitted as i32 => "may come in",
        s if s == member_knock::State::Denied as i32 => "was not let in",
        _ => "no longer waits at the door",
    }
}

const fn quit_reason(reason: i32) -> &'static str {
    match reason {
        r if r == quit::Reason::Timeout as i32 => "did not come back",
        r if r == quit::Reason::Removed as i32 => "was removed by the host",
        _ => "left",
    }
}

fn presents(view: &SessionView, from: u64, follow_me: &FollowMe) -> String {
    let presenter = if follow_me.presenter == 0 {
        from
    } else {
        follow_me.presenter
    };
    let lock = if follow_me.lock == follow_me::Lock::Hard as i32 {
        ", locked"
    } else {
        ""
    };
    format!(
        "{} presents ({}{lock})",
        name(view, presenter),
        text::invite(follow_me.invite)
    )
}

/// `Eve follows Ben, sees Ann`.
pub(crate) fn edge_text(view: &SessionView, edge: &Edge) -> String {
    let who = name(view, edge.member_id);
    match edge {
        Edge { target: 0, .. } => format!("{who} follows no one"),
        Edge {
            suspended: true, ..
        } => format!("{who} follows {}, paused", name(view, edge.target)),
        Edge { root: 0, .. } => format!("{who} follows {}", name(view, edge.target)),
        _ if edge.root == edge.target => format!("{who} follows {}", name(view, edge.target)),
        _ => format!(
            "{who} follows {}, sees {}",
            name(view, edge.target),
            name(view, edge.root)
        ),
    }
}

fn shown(action: &ActionSync) -> String {
    match &action.value {
        Some(action_sync::Value::View(view)) => format!("is at {}", text::position(view)),
        Some(action_sync::Value::Pointer(pointer)) => format!(
            "points at {:.0}%, {:.0}%",
            pointer.x * 100.0,
            pointer.y * 100.0
        ),
        Some(action_sync::Value::Custom(bytes)) => {
            format!("shows {} bytes of {}", bytes.len(), action.key)
        }
        None => format!("shows {}", action.key),
    }
}

const fn countdown(reason: i32) -> &'static str {
    match reason {
        r if r == session_auto_end::Reason::HostLeft as i32 => "the host is gone",
        r if r == session_auto_end::Reason::Empty as i32 => "no member is here",
        _ => "its time is over",
    }
}

fn session_change(view: &SessionView, now: &FaceSession) -> String {
    let before = &view.face_session;
    if before.title != now.title {
        return format!("the session is now called “{}”", now.title);
    }
    if before.host_id != now.host_id {
        return format!("{} is now the host", name(view, now.host_id));
    }
    match (before.locked, now.locked) {
        (false, true) => "the door is locked: no new person gets in".into(),
        (true, false) => "the door is open again".into(),
        _ => "the session's settings changed".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::describe;
    use entrance_client::SessionView;
    use faceshare_api::v1::server_frame::Instruction;
    use faceshare_api::v1::{
        Ack, ActionSync, CancelFollow, Edge, FaceSession, FollowChange, FollowMe, FollowOther,
        Member, MemberChange, MemberJoin, MemberKnock, Quit, ServerFrame, SessEnd, SessionChange,
        View, action_sync, member_knock,
    };

    fn member(id: u64, nickname: &str) -> Member {
        Member {
            member_id: id,
            nickname: nickname.into(),
            online: true,
            ..Member::default()
        }
    }

    fn view() -> SessionView {
        let members = [
            (1, member(1, "Ann")),
            (2, member(2, "Ben")),
            (3, member(3, "Eve")),
        ]
        .into();
        SessionView {
            me: 2,
            members,
            ..SessionView::default()
        }
    }

    fn knocks(state: member_knock::State) -> Instruction {
        Instruction::MemberKnock(MemberKnock {
            nickname: "Kim".into(),
            state: state.into(),
            ..MemberKnock::default()
        })
    }

    #[test]
    fn frames_read_as_sentences() {
        let place = action_sync::Value::View(View {
            page: 3,
            ..View::default()
        });
        let edges = vec![
            Edge {
                member_id: 2,
                target: 1,
                root: 1,
                ..Edge::default()
            },
            Edge {
                member_id: 3,
                target: 2,
                root: 1,
                ..Edge::default()
            },
        ];
        for (instruction, line) in [
            (
                Instruction::MemberJoin(MemberJoin {
                    member: Some(member(4, "Zoe")),
                }),
                "Zoe joined",
            ),
            (
                Instruction::MemberChange(MemberChange {
                    member: Some(Member {
                        online: false,
                        ..member(3, "Eve")
                    }),
                }),
                "Eve is away",
            ),
            (
                Instruction::Quit(Quit {
                    member_id: 3,
                    reason: 3,
                }),
                "Eve was removed by the host",
            ),
            (
                Instruction::FollowMe(FollowMe {
                    invite: 2,
                    lock: 2,
                    presenter: 0,
                }),
                "Ann presents (everybody follows, locked)",
            ),
            (
                Instruction::FollowChange(FollowChange {
                    presenting: None,
                    edges,
                }),
                "Ben (you) follows Ann; Eve follows Ben (you), sees Ann",
            ),
            (
                Instruction::ActionSync(ActionSync {
                    key: "view".into(),
                    value: Some(place),
                    ..ActionSync::default()
                }),
                "Ann is at page 3",
            ),
            (
                knocks(member_knock::State::Waiting),
                "Kim waits at the door",
            ),
            (knocks(member_knock::State::Denied), "Kim was not let in"),
            (
                Instruction::SessEnd(SessEnd { reason: 1 }),
                "the session has ended: the host ended it",
            ),
            (
                Instruction::SessionChange(SessionChange {
                    face_session: Some(FaceSession {
                        title: "Tea".into(),
                        ..FaceSession::default()
                    }),
                }),
                "the session is now called “Tea”",
            ),
        ] {
            let frame = ServerFrame {
                from: 1,
                instruction: Some(instruction),
                ..ServerFrame::default()
            };
            assert_eq!(
                describe(&frame, &view()).map(|line| line.text).as_deref(),
                Some(line)
            );
        }
        for instruction in [
            Instruction::Ack(Ack::default()),
            Instruction::FollowOther(FollowOther { target: 2 }),
            Instruction::CancelFollow(CancelFollow { suspend: 3 }),
        ] {
            let frame = ServerFrame {
                from: 1,
                instruction: Some(instruction),
                ..ServerFrame::default()
            };
            assert_eq!(
                describe(&frame, &view()),
                None,
                "the followChange behind it says the same"
            );
        }
    }
}
