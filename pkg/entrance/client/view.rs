//! The state of a session on a screen: a snapshot, updated by the frames that follow it.

use faceshare_api::v1::server_frame::Instruction;
use faceshare_api::v1::{
    Action, ActionSync, Edge, FaceSession, File, Member, MemberKnock, Presenting, ServerFrame,
    SessionAutoEnd, Welcome, action, action_sync, member_knock,
};
use std::collections::BTreeMap;

/// One member's copy of the session. Pure: it depends only on the calls of [`SessionView::welcome`]
/// and [`SessionView::apply`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SessionView {
    /// This member's id.
    pub me: u64,
    /// This connection's point.
    pub point: u64,
    /// Title, host, limits. `member_count` follows `members`.
    pub face_session: FaceSession,
    /// All members, by member id.
    pub members: BTreeMap<u64, Member>,
    /// The presenter; `None` if no member presents.
    pub presenting: Option<Presenting>,
    /// The shared files, by id.
    pub files: BTreeMap<u64, File>,
    /// A running countdown.
    pub auto_end: Option<SessionAutoEnd>,
    /// Join requests that wait for approval, by id; empty except for the host.
    pub knocks: BTreeMap<u64, MemberKnock>,
    /// The latest value of each (sender, key) that reached this point.
    pub actions: BTreeMap<(u64, String), Action>,
    /// `Some` with a `SessEnd.Reason` once the session has ended.
    pub ended: Option<i32>,
    /// The seq of the last ordered frame in this view.
    pub seq: u32,
}

impl SessionView {
    /// Replaces the state by the snapshot, or continues after a resume.
    pub fn welcome(&mut self, welcome: &Welcome) {
        if let Some(snapshot) = &welcome.snapshot {
            *self = Self {
                face_session: snapshot.face_session.clone().unwrap_or_default(),
                members: snapshot
                    .members
                    .iter()
                    .map(|member| (member.member_id, member.clone()))
                    .collect(),
                presenting: snapshot.presenting,
                files: snapshot
                    .files
                    .iter()
                    .map(|file| (file.id, file.clone()))
                    .collect(),
                auto_end: snapshot.auto_end,
                actions: snapshot
                    .actions
                    .iter()
                    .map(|action| ((action.from, action.key.clone()), action.clone()))
                    .collect(),
                seq: welcome.seq,
                ..Self::default()
            };
            self.count_members();
        }
        // The server sends pending join requests again.
        self.knocks.clear();
        if let Some(me) = welcome.self_ {
            (self.me, self.point) = (me.member_id, me.point_id);
        }
    }

    /// Applies one frame. Frames without effect on the session change nothing.
    pub fn apply(&mut self, frame: &ServerFrame) {
        self.seq = self.seq.max(frame.seq);
        let Some(instruction) = &frame.instruction else {
            return;
        };
        match instruction {
            Instruction::Welcome(welcome) => self.welcome(welcome),
            Instruction::MemberJoin(join) => self.put_member(join.member.as_ref()),
            Instruction::MemberChange(change) => self.put_member(change.member.as_ref()),
            Instruction::Quit(quit) => self.drop_member(quit.member_id),
            Instruction::HttpQuit(quit) => self.drop_member(quit.member_id),
            Instruction::FollowChange(change) => {
                self.presenting = change.presenting;
                change.edges.iter().for_each(|edge| self.put_edge(edge));
            }
            Instruction::FileCreate(create) => self
                .files
                .extend(create.file.iter().map(|file| (file.id, file.clone()))),
            Instruction::FileDelete(delete) => drop(self.files.remove(&delete.file_id)),
            Instruction::SessionAutoEnd(auto_end) => self.auto_end = Some(*auto_end),
            Instruction::CancelAutoEnd(_) => self.auto_end = None,
            Instruction::SessEnd(end) => (self.ended, self.auto_end) = (Some(end.reason), None),
            Instruction::SessionChange(change) => {
                self.face_session = change.face_session.clone().unwrap_or_default();
                self.count_members();
                if !self.is_host(self.me) {
                    self.knocks.clear();
                }
            }
            Instruction::MemberKnock(knock)
                if knock.state == member_knock::State::Waiting as i32 =>
            {
                self.knocks.insert(knock.knock_id, knock.clone());
            }
            Instruction::MemberKnock(knock) => drop(self.knocks.remove(&knock.knock_id)),
            Instruction::ActionSync(sync) => {
                self.actions
                    .insert((frame.from, sync.key.clone()), latest(frame.from, sync));
            }
            // A request; its effect comes as `followChange`.
            Instruction::FollowMe(_)
            | Instruction::CancelFollowMe(_)
            | Instruction::FollowOther(_)
            | Instruction::CancelFollow(_) => {}
            // Only for this point: about the connection or the code.
            Instruction::Ack(_)
            | Instruction::Nack(_)
            | Instruction::SysHeart(_)
            | Instruction::TokenRenewed(_)
            | Instruction::MoveAway(_)
            | Instruction::NumberCodeChange(_) => {}
        }
    }

    fn put_member(&mut self, member: Option<&Member>) {
        self.members
            .extend(member.map(|member| (member.member_id, member.clone())));
        self.count_members();
    }

    fn drop_member(&mut self, id: u64) {
        self.members.remove(&id);
        self.actions.retain(|(from, _), _| *from != id);
        self.count_members();
    }

    fn put_edge(&mut self, edge: &Edge) {
        if let Some(member) = self.members.get_mut(&edge.member_id) {
            member.follow = (edge.target != 0).then_some(*edge);
        }
    }

    fn count_members(&mut self) {
        self.face_session.member_count = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
    }

    /// All members in the order in which they joined.
    #[must_use]
    pub fn roster(&self) -> Vec<&Member> {
        let mut roster: Vec<&Member> = self.members.values().collect();
        roster.sort_by_key(|member| {
            (
                member.joined_at.map_or(0, |at| at.as_millis()),
                member.member_id,
            )
        });
        roster
    }

    /// A member's nickname; the id of a member that has left.
    #[must_use]
    pub fn nickname(&self, id: u64) -> String {
        self.members
            .get(&id)
            .map_or_else(|| format!("#{id}"), |member| member.nickname.clone())
    }

    /// The member's follow edge; `None` if it follows no member.
    #[must_use]
    pub fn edge(&self, id: u64) -> Option<Edge> {
        self.members.get(&id).and_then(|member| member.follow)
    }

    /// The member whose position this member receives; `None` if there is none, or following is
    /// paused.
    #[must_use]
    pub fn root(&self, id: u64) -> Option<u64> {
        self.edge(id)
            .map(|edge| edge.root)
            .filter(|root| *root != 0)
    }

    /// Whether this member is the host.
    #[must_use]
    pub fn is_host(&self, id: u64) -> bool {
        id != 0 && self.face_session.host_id == id
    }

    /// Whether this member presents.
    #[must_use]
    pub fn is_presenter(&self, id: u64) -> bool {
        self.presenting
            .is_some_and(|presenting| presenting.member_id == id)
    }

    /// The latest value that `from` sent under `key`, if it reached this point.
    #[must_use]
    pub fn action(&self, from: u64, key: &str) -> Option<&Action> {
        self.actions.get(&(from, key.to_owned()))
    }
}

fn latest(from: u64, sync: &ActionSync) -> Action {
    let value = sync.value.clone().map(|value| match value {
        action_sync::Value::View(view) => action::Value::View(view),
        action_sync::Value::Pointer(pointer) => action::Value::Pointer(pointer),
        action_sync::Value::Custom(custom) => action::Value::Custom(custom),
    });
    Action {
        from,
        file_id: sync.file_id,
        key: sync.key.clone(),
        term: sync.term,
        value,
    }
}

#[cfg(test)]
mod tests;
