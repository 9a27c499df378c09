//! What a client knows: it starts from a snapshot and believes every frame, as the documents tell it to.

use faceshare_api::v1::{self, server_frame::Instruction};

/// A session, as shown to one person.
#[derive(Debug, Clone)]
pub(crate) struct Mirror {
    shown: v1::Snapshot,
}

impl Mirror {
    pub(crate) fn new(mut snapshot: v1::Snapshot) -> Self {
        snapshot.actions.clear();
        Self { shown: snapshot }
    }

    pub(crate) const fn shown(&self) -> &v1::Snapshot {
        &self.shown
    }

    /// Whose position this member is shown; 0: nobody's.
    pub(crate) fn root(&self, member: u64) -> u64 {
        let known = self.shown.members.iter().find(|m| m.member_id == member);
        known.and_then(|m| m.follow.as_ref()).map_or(0, |edge| edge.root)
    }

    /// Who presents, in which term.
    pub(crate) fn presenting(&self) -> Option<(u64, u32)> {
        self.shown.presenting.as_ref().map(|p| (p.member_id, p.term))
    }

    /// Takes an ordered frame. `Err`: it speaks of somebody unknown.
    pub(crate) fn take(&mut self, frame: &v1::ServerFrame) -> Result<(), String> {
        let shown = &mut self.shown;
        match &frame.instruction {
            Some(Instruction::MemberJoin(v1::MemberJoin { member: Some(member) })) => shown.members.push(member.clone()),
            Some(Instruction::MemberChange(v1::MemberChange { member: Some(member) })) => {
                *known(shown, member.member_id)? = member.clone();
            }
            Some(Instruction::Quit(v1::Quit { member_id, .. }) | Instruction::HttpQuit(v1::HttpQuit { member_id })) => {
                known(shown, *member_id)?;
                shown.members.retain(|m| m.member_id != *member_id);
            }
            Some(Instruction::FollowChange(change)) => {
                shown.presenting.clone_from(&change.presenting);
                for edge in &change.edges {
                    known(shown, edge.member_id)?.follow = (edge.target != 0).then_some(*edge);
                }
            }
            Some(Instruction::SessionAutoEnd(auto_end)) => shown.auto_end = Some(*auto_end),
            Some(Instruction::CancelAutoEnd(_)) => shown.auto_end = None,
            Some(Instruction::SessionChange(v1::SessionChange { face_session })) => shown.face_session.clone_from(face_session),
            Some(Instruction::SessEnd(v1::SessEnd { reason })) => {
                if let Some(session) = &mut shown.face_session {
                    session.status = v1::face_session::Status::Ended.into();
                    session.ended_at = frame.at;
                    session.end_reason = *reason;
                }
            }
            _ => {}
        }
        shown.members.sort_by_key(|m| (m.joined_at.map(|at| at.as_millis()), m.member_id));
        if let Some(session) = &mut shown.face_session {
            session.member_count = u32::try_from(shown.members.len()).unwrap_or(u32::MAX);
        }
        Ok(())
    }
}

fn known(shown: &mut v1::Snapshot, id: u64) -> Result<&mut v1::Member, String> {
    shown.members.iter_mut().find(|m| m.member_id == id).ok_or_else(|| format!("a frame speaks of {id}, who is not here"))
}
