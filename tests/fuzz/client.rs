//! The simplest client, in the types of the wire: it starts from a snapshot and applies every
//! frame.

use crate::wire;
use faceshare_api::v1::{self, server_frame::Instruction};
use faceshare_exec::State;

/// A client's view of a session.
#[derive(Clone)]
pub(crate) struct Client {
    seq: u32,
    view: v1::Snapshot,
}

impl Client {
    /// A client that joins now.
    pub(crate) fn welcome(state: &State) -> Self {
        let (seq, view) = wire::snapshot_in_both_formats(state);
        Self { seq, view }
    }

    /// Like [`welcome`](Self::welcome), in one format alone: cheaper, for comparisons.
    pub(crate) fn newcomer(state: &State) -> Self {
        let (seq, view) = wire::snapshot(state);
        Self { seq, view }
    }

    /// Panics unless its view is that of `newcomer`: else a frame was missing or wrong.
    pub(crate) fn agrees_with(&self, newcomer: &Self) {
        assert_eq!(self.seq, newcomer.seq, "the client's seq");
        assert_eq!(
            self.view, newcomer.view,
            "the views of an old and of a new client"
        );
    }

    /// Applies the next ordered frame.
    pub(crate) fn take(&mut self, frame: &v1::ServerFrame) {
        assert_eq!(frame.seq, self.seq + 1, "a gap before {frame:?}");
        self.seq = frame.seq;
        let view = &mut self.view;
        match frame.instruction.as_ref().expect("a frame says something") {
            Instruction::MemberJoin(v1::MemberJoin {
                member: Some(member),
            }) => view.members.push(member.clone()),
            Instruction::MemberChange(v1::MemberChange {
                member: Some(member),
            }) => *self.known(member.member_id) = member.clone(),
            Instruction::Quit(v1::Quit { member_id, .. })
            | Instruction::HttpQuit(v1::HttpQuit { member_id }) => {
                view.members.retain(|m| m.member_id != *member_id);
            }
            Instruction::FollowChange(v1::FollowChange { presenting, edges }) => {
                view.presenting = *presenting;
                for edge in edges {
                    self.known(edge.member_id).follow = (edge.target != 0).then_some(*edge);
                }
            }
            Instruction::SessionAutoEnd(countdown) => view.auto_end = Some(*countdown),
            Instruction::CancelAutoEnd(_) => view.auto_end = None,
            Instruction::SessionChange(v1::SessionChange { face_session }) => {
                view.face_session.clone_from(face_session)
            }
            Instruction::SessEnd(v1::SessEnd { reason }) => {
                let session = self.session();
                session.status = v1::face_session::Status::Ended.into();
                (session.ended_at, session.end_reason) = (frame.at, *reason);
            }
            Instruction::FollowMe(_)
            | Instruction::CancelFollowMe(_)
            | Instruction::FollowOther(_)
            | Instruction::CancelFollow(_) => {}
            other => panic!("not a frame of the order: {other:?}"),
        }
        self.view
            .members
            .sort_by_key(|m| (m.joined_at.map(|t| t.as_millis()), m.member_id));
        self.session().member_count = u32::try_from(self.view.members.len()).expect("few");
    }

    fn known(&mut self, id: u64) -> &mut v1::Member {
        self.view
            .members
            .iter_mut()
            .find(|m| m.member_id == id)
            .expect("a frame speaks of members only")
    }

    fn session(&mut self) -> &mut v1::FaceSession {
        self.view
            .face_session
            .as_mut()
            .expect("a snapshot has its session")
    }
}
