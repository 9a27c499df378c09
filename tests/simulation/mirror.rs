//! A client's copy of the session: it starts from a snapshot and applies every frame, as the
//! documentation for clients says.

use faceshare_api::v1::{self, server_frame::Instruction};

/// The session as one client knows it.
#[derive(Debug, Clone)]
pub(crate) struct Mirror {
    snapshot: v1::Snapshot,
}

impl Mirror {
    pub(crate) fn new(mut snapshot: v1::Snapshot) -> Self {
        snapshot.actions.clear();
        Self { snapshot }
    }

    pub(crate) const fn snapshot(&self) -> &v1::Snapshot {
        &self.snapshot
    }

    /// The member whose position this member receives; 0 if none.
    pub(crate) fn root(&self, member: u64) -> u64 {
        let found = self.snapshot.members.iter().find(|m| m.member_id == member);
        found
            .and_then(|m| m.follow.as_ref())
            .map_or(0, |edge| edge.root)
    }

    /// The presenter and its term.
    pub(crate) fn presenting(&self) -> Option<(u64, u32)> {
        self.snapshot
            .presenting
            .as_ref()
            .map(|p| (p.member_id, p.term))
    }

    /// Applies an ordered frame. An error if it names an unknown member.
    pub(crate) fn apply(&mut self, frame: &v1::ServerFrame) -> Result<(), String> {
        let snapshot = &mut self.snapshot;
        match &frame.instruction {
            Some(Instruction::MemberJoin(v1::MemberJoin {
                member: Some(member),
            })) => snapshot.members.push(member.clone()),
            Some(Instruction::MemberChange(v1::MemberChange {
                member: Some(member),
            })) => {
                *find_member(snapshot, member.member_id)? = member.clone();
            }
            Some(
                Instruction::Quit(v1::Quit { member_id, .. })
                | Instruction::HttpQuit(v1::HttpQuit { member_id }),
            ) => {
                find_member(snapshot, *member_id)?;
                snapshot.members.retain(|m| m.member_id != *member_id);
            }
            Some(Instruction::FollowChange(change)) => {
                snapshot.presenting.clone_from(&change.presenting);
                for edge in &change.edges {
                    find_member(snapshot, edge.member_id)?.follow =
                        (edge.target != 0).then_some(*edge);
                }
            }
            Some(Instruction::SessionAutoEnd(auto_end)) => snapshot.auto_end = Some(*auto_end),
            Some(Instruction::CancelAutoEnd(_)) => snapshot.auto_end = None,
            Some(Instruction::SessionChange(v1::SessionChange { face_session })) => {
                snapshot.face_session.clone_from(face_session)
            }
            Some(Instruction::SessEnd(v1::SessEnd { reason })) => {
                if let Some(session) = &mut snapshot.face_session {
                    session.status = v1::face_session::Status::Ended.into();
                    session.ended_at = frame.at;
                    session.end_reason = *reason;
                }
            }
            _ => {}
        }
        snapshot
            .members
            .sort_by_key(|m| (m.joined_at.map(|at| at.as_millis()), m.member_id));
        if let Some(session) = &mut snapshot.face_session {
            session.member_count = u32::try_from(snapshot.members.len()).unwrap_or(u32::MAX);
        }
        Ok(())
    }
}

fn find_member(snapshot: &mut v1::Snapshot, id: u64) -> Result<&mut v1::Member, String> {
    snapshot
        .members
        .iter_mut()
        .find(|m| m.member_id == id)
        .ok_or_else(|| format!("a frame names {id}, who is not a member"))
}
