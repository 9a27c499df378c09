//! Encodes server frames. Total: every frame has a wire form.

use faceshare_api::v1::{self, server_frame::Instruction};
use faceshare_api::wellknown;
use faceshare_biz::domain::facesession::{Admission, EndReason, FaceSession, HostLeft, Status};
use faceshare_biz::domain::instruction::{
    ActionValue, AutoEnd, AutoEndReason, Device, Edge, EdgeReason, Event, Invite, KnockState, Lock,
    Member, MemberKnock, Notice, PointInfo, Presenting, QuitReason, Role, SentAction, ServerFrame,
    Snapshot, Statement, Suspend, Welcome,
};
use faceshare_biz::domain::{MemberId, Timestamp};
use std::time::Duration;

pub(super) fn server_frame(frame: &ServerFrame) -> v1::ServerFrame {
    let instruction = match &frame.statement {
        Statement::Event(said) => event(said),
        Statement::Notice(said) => notice(said),
    };
    v1::ServerFrame {
        seq: frame.seq.get(),
        at: Some(time(frame.at)),
        from: id(frame.from),
        instruction: Some(instruction),
    }
}

fn event(event: &Event) -> Instruction {
    match event {
        Event::MemberJoin(m) => Instruction::MemberJoin(v1::MemberJoin {
            member: Some(member(m)),
        }),
        Event::MemberChange(m) => Instruction::MemberChange(v1::MemberChange {
            member: Some(member(m)),
        }),
        Event::Quit { member, reason } => Instruction::Quit(v1::Quit {
            member_id: member.get(),
            reason: quit_reason(*reason).into(),
        }),
        Event::HttpQuit { member } => Instruction::HttpQuit(v1::HttpQuit {
            member_id: member.get(),
        }),
        Event::FollowMe {
            invite: asked,
            lock: held,
            presenter,
        } => Instruction::FollowMe(v1::FollowMe {
            invite: invite(*asked).into(),
            lock: lock(*held).into(),
            presenter: id(*presenter),
        }),
        Event::CancelFollowMe => Instruction::CancelFollowMe(v1::CancelFollowMe {}),
        Event::FollowOther { target } => Instruction::FollowOther(v1::FollowOther {
            target: target.get(),
        }),
        Event::CancelFollow { suspend: why } => Instruction::CancelFollow(v1::CancelFollow {
            suspend: suspend(*why).into(),
        }),
        Event::FollowChange {
            presenting: now,
            edges,
        } => Instruction::FollowChange(v1::FollowChange {
            presenting: now.map(presenting),
            edges: edges.iter().map(edge).collect(),
        }),
        Event::SessionAutoEnd(countdown) => Instruction::SessionAutoEnd(auto_end(*countdown)),
        Event::CancelAutoEnd => Instruction::CancelAutoEnd(v1::CancelAutoEnd {}),
        Event::SessEnd { reason } => Instruction::SessEnd(v1::SessEnd {
            reason: end_reason(*reason).into(),
        }),
        Event::SessionChange(session) => Instruction::SessionChange(v1::SessionChange {
            face_session: Some(face_session(session)),
        }),
    }
}

fn notice(notice: &Notice) -> Instruction {
    match notice {
        Notice::Welcome(w) => Instruction::Welcome(welcome(w)),
        Notice::Ack { id, seq } => Instruction::Ack(v1::Ack {
            id: *id,
            seq: seq.get(),
        }),
        Notice::Nack { id, code, detail } => Instruction::Nack(v1::Nack {
            id: *id,
            code: code.as_str().to_owned(),
            detail: detail.clone().into_owned(),
        }),
        Notice::SysHeart { sent_at } => Instruction::SysHeart(v1::SysHeart {
            sent_at: Some(time(*sent_at)),
        }),
        Notice::TokenRenewed { token, expires_at } => Instruction::TokenRenewed(v1::TokenRenewed {
            session_token: token.clone(),
            expires_at: Some(time(*expires_at)),
        }),
        Notice::NumberCodeChange { expires_at } => {
            Instruction::NumberCodeChange(v1::NumberCodeChange {
                expires_at: expires_at.map(time),
            })
        }
        Notice::MemberKnock(knock) => Instruction::MemberKnock(member_knock(knock)),
        Notice::ActionSync(sent) => Instruction::ActionSync(action_sync(sent)),
    }
}

fn member_knock(knock: &MemberKnock) -> v1::MemberKnock {
    let state = match knock.state {
        KnockState::Waiting => v1::member_knock::State::Waiting,
        KnockState::Admitted => v1::member_knock::State::Admitted,
        KnockState::Denied => v1::member_knock::State::Denied,
        KnockState::Expired => v1::member_knock::State::Expired,
    };
    v1::MemberKnock {
        knock_id: knock.id.get(),
        nickname: knock.nickname.as_str().to_owned(),
        device: Some(device(&knock.device)),
        expires_at: Some(time(knock.expires_at)),
        state: state.into(),
    }
}

fn welcome(welcome: &Welcome) -> v1::Welcome {
    v1::Welcome {
        self_: Some(v1::welcome::Self_ {
            member_id: welcome.member.get(),
            point_id: welcome.point.id.get(),
            role: role(welcome.role).into(),
        }),
        epoch: welcome.epoch.as_str().to_owned(),
        seq: welcome.seq.get(),
        resumed: welcome.snapshot.is_none(),
        heartbeat_interval: Some(span(welcome.heartbeat_interval)),
        snapshot: welcome.snapshot.as_ref().map(snapshot),
    }
}

fn snapshot(snapshot: &Snapshot) -> v1::Snapshot {
    v1::Snapshot {
        face_session: Some(face_session(&snapshot.session)),
        members: snapshot.members.iter().map(member).collect(),
        presenting: snapshot.presenting.map(presenting),
        files: Vec::new(),
        auto_end: snapshot.auto_end.map(auto_end),
        actions: snapshot.actions.iter().map(action).collect(),
    }
}

fn face_session(session: &FaceSession) -> v1::FaceSession {
    v1::FaceSession {
        id: session.id.get(),
        title: session.title.as_str().to_owned(),
        host_id: session.host.get(),
        status: match session.status() {
            Status::Active => v1::face_session::Status::Active,
            Status::Ended => v1::face_session::Status::Ended,
        }
        .into(),
        admission: match session.admission {
            Admission::Open => v1::face_session::Admission::Open,
            Admission::Approval => v1::face_session::Admission::Approval,
        }
        .into(),
        admission_forced: session.admission_forced,
        locked: session.locked,
        host_left: match session.host_left {
            HostLeft::Countdown => v1::face_session::HostLeft::Countdown,
            HostLeft::Promote => v1::face_session::HostLeft::Promote,
        }
        .into(),
        max_members: session.max_members,
        member_count: session.member_count,
        created_at: Some(time(session.created_at)),
        ended_at: session.ended.map(|e| time(e.at)),
        end_reason: session
            .ended
            .map_or(v1::sess_end::Reason::Unspecified, |e| end_reason(e.reason))
            .into(),
    }
}

fn member(member: &Member) -> v1::Member {
    v1::Member {
        member_id: member.id.get(),
        nickname: member.nickname.as_str().to_owned(),
        avatar_url: member.avatar_url.to_string(),
        role: role(member.role).into(),
        online: member.online,
        points: member.points.iter().map(point).collect(),
        joined_at: Some(time(member.joined_at)),
        follow: member.follow.as_ref().map(edge),
    }
}

fn point(point: &PointInfo) -> v1::Point {
    v1::Point {
        point_id: point.id.get(),
        device: Some(device(&point.device)),
    }
}

fn device(device: &Device) -> v1::Device {
    v1::Device {
        name: device.name.to_string(),
        kind: device.kind.to_string(),
    }
}

fn edge(edge: &Edge) -> v1::Edge {
    v1::Edge {
        member_id: edge.member.get(),
        target: id(edge.target),
        root: id(edge.root),
        suspended: edge.suspended,
        reason: match edge.reason {
            EdgeReason::Presenter => v1::edge::Reason::Presenter,
            EdgeReason::Choice => v1::edge::Reason::Choice,
            EdgeReason::Chain => v1::edge::Reason::Chain,
            EdgeReason::Restored => v1::edge::Reason::Restored,
            EdgeReason::Cancelled => v1::edge::Reason::Cancelled,
            EdgeReason::TargetLeft => v1::edge::Reason::TargetLeft,
        }
        .into(),
    }
}

fn presenting(presenting: Presenting) -> v1::Presenting {
    v1::Presenting {
        member_id: presenting.member.get(),
        invite: invite(presenting.invite).into(),
        lock: lock(presenting.lock).into(),
        term: presenting.term,
        since: Some(time(presenting.since)),
    }
}

fn auto_end(countdown: AutoEnd) -> v1::SessionAutoEnd {
    let reason = match countdown.reason {
        AutoEndReason::HostLeft => v1::session_auto_end::Reason::HostLeft,
        AutoEndReason::Empty => v1::session_auto_end::Reason::Empty,
        AutoEndReason::Scheduled => v1::session_auto_end::Reason::Scheduled,
    };
    v1::SessionAutoEnd {
        ends_at: Some(time(countdown.ends_at)),
        reason: reason.into(),
    }
}

fn action_sync(sent: &SentAction) -> v1::ActionSync {
    use v1::action_sync::Value;
    let value = match &sent.action.value {
        ActionValue::View(v) => Value::View(view(v)),
        ActionValue::Pointer { x, y } => Value::Pointer(v1::Pointer { x: *x, y: *y }),
        ActionValue::Custom(bytes) => Value::Custom(bytes.clone()),
    };
    let action = &sent.action;
    v1::ActionSync {
        file_id: action.file.map_or(0, |f| f.get()),
        key: action.key.as_str().to_owned(),
        term: action.term,
        value: Some(value),
    }
}

fn action(sent: &SentAction) -> v1::Action {
    use v1::{action::Value, action_sync};
    let v1::ActionSync {
        file_id,
        key,
        term,
        value,
    } = action_sync(sent);
    let value = value.map(|value| match value {
        action_sync::Value::View(view) => Value::View(view),
        action_sync::Value::Pointer(pointer) => Value::Pointer(pointer),
        action_sync::Value::Custom(bytes) => Value::Custom(bytes),
    });
    v1::Action {
        from: sent.from.get(),
        file_id,
        key,
        term,
        value,
    }
}

fn view(view: &faceshare_biz::domain::instruction::View) -> v1::View {
    v1::View {
        page: view.page,
        x: view.x,
        y: view.y,
        zoom: view.zoom,
        rotation: view.rotation,
    }
}

const fn role(role: Role) -> v1::member::Role {
    match role {
        Role::Host => v1::member::Role::Host,
        Role::Member => v1::member::Role::Member,
        Role::Guest => v1::member::Role::Guest,
    }
}

const fn quit_reason(reason: QuitReason) -> v1::quit::Reason {
    match reason {
        QuitReason::Left => v1::quit::Reason::Left,
        QuitReason::Timeout => v1::quit::Reason::Timeout,
        QuitReason::Removed => v1::quit::Reason::Removed,
    }
}

const fn end_reason(reason: EndReason) -> v1::sess_end::Reason {
    match reason {
        EndReason::HostEnded => v1::sess_end::Reason::HostEnded,
        EndReason::AutoEnd => v1::sess_end::Reason::AutoEnd,
        EndReason::Platform => v1::sess_end::Reason::Platform,
    }
}

const fn invite(invite: Invite) -> v1::follow_me::Invite {
    match invite {
        Invite::Ask => v1::follow_me::Invite::Ask,
        Invite::On => v1::follow_me::Invite::On,
        Invite::Off => v1::follow_me::Invite::Off,
    }
}

const fn lock(lock: Lock) -> v1::follow_me::Lock {
    match lock {
        Lock::None => v1::follow_me::Lock::None,
        Lock::Hard => v1::follow_me::Lock::Hard,
    }
}

const fn suspend(suspend: Option<Suspend>) -> v1::cancel_follow::Suspend {
    match suspend {
        None => v1::cancel_follow::Suspend::Unspecified,
        Some(Suspend::Scroll) => v1::cancel_follow::Suspend::Scroll,
        Some(Suspend::Zoom) => v1::cancel_follow::Suspend::Zoom,
        Some(Suspend::Page) => v1::cancel_follow::Suspend::Page,
        Some(Suspend::File) => v1::cancel_follow::Suspend::File,
        Some(Suspend::Other) => v1::cancel_follow::Suspend::Other,
    }
}

fn id(id: Option<MemberId>) -> u64 {
    id.map_or(0, MemberId::get)
}

fn time(time: Timestamp) -> wellknown::Timestamp {
    wellknown::Timestamp::from_millis(time.as_millis())
}

fn span(span: Duration) -> wellknown::Duration {
    wellknown::Duration::from_millis(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}
