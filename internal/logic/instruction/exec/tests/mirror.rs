//! A client as simple as can be: it starts from a snapshot and believes every frame. If it ever
//! shows something else than the server would tell a newcomer, a frame was missing or wrong.

use crate::Entry;
use faceshare_biz::domain::MemberId;
use faceshare_biz::domain::facesession::Ended;
use faceshare_biz::domain::instruction::{Event, Member, Snapshot};

/// What a client knows of a session.
#[derive(Debug, Clone)]
pub(super) struct Mirror {
    shown: Snapshot,
}

impl Mirror {
    /// A client that has just been welcomed.
    pub(super) const fn new(snapshot: Snapshot) -> Self {
        Self { shown: snapshot }
    }

    /// What it shows.
    pub(super) const fn shown(&self) -> &Snapshot {
        &self.shown
    }

    /// Takes the frames of an entry.
    pub(super) fn take(&mut self, entry: &Entry) {
        for event in &entry.events {
            self.take_event(entry, event);
        }
        let members = &mut self.shown.members;
        members.sort_by_key(|m| (m.joined_at, m.id));
        self.shown.session.member_count = u32::try_from(members.len()).expect("few");
    }

    fn take_event(&mut self, entry: &Entry, event: &Event) {
        let shown = &mut self.shown;
        match event {
            Event::MemberJoin(member) => shown.members.push(member.clone()),
            Event::MemberChange(member) => *self.known(member.id) = member.clone(),
            Event::Quit { member, .. } | Event::HttpQuit { member } => {
                shown.members.retain(|m| m.id != *member)
            }
            Event::FollowChange { presenting, edges } => {
                shown.presenting = *presenting;
                for edge in edges {
                    self.known(edge.member).follow = edge.target.map(|_| *edge);
                }
            }
            Event::SessionAutoEnd(auto_end) => shown.auto_end = Some(*auto_end),
            Event::CancelAutoEnd => shown.auto_end = None,
            Event::SessionChange(session) => shown.session = session.clone(),
            Event::SessEnd { reason } => {
                shown.session.ended = Some(Ended {
                    at: entry.at,
                    reason: *reason,
                })
            }
            Event::FollowMe { .. }
            | Event::CancelFollowMe
            | Event::FollowOther { .. }
            | Event::CancelFollow { .. } => {}
        }
    }

    fn known(&mut self, id: MemberId) -> &mut Member {
        self.shown
            .members
            .iter_mut()
            .find(|m| m.id == id)
            .expect("a frame speaks of members only")
    }
}
