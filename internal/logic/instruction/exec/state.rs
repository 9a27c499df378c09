//! The state of a session after some entry.

use crate::entry::{Genesis, Info};
use crate::knock::Knock;
use faceshare_biz::domain::facesession::{Ended, FaceSession, SessionRecord};
use faceshare_biz::domain::instruction::{
    AutoEnd, Device, Edge, EdgeReason, Epoch, Member, PointInfo, Presenting, Profile, Role, Seq,
    Snapshot,
};
use faceshare_biz::domain::{KnockId, MemberId, PointId, SessionId, Timestamp};
use litemap::LiteMap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub(crate) id: SessionId,
    pub(crate) created_at: Timestamp,
    pub(crate) info: Info,
    pub(crate) epoch: Epoch,
    pub(crate) index: u64,
    pub(crate) seq: Seq,
    pub(crate) last_at: Timestamp,
    pub(crate) people: BTreeMap<MemberId, Person>,
    pub(crate) presenting: Option<Presenting>,
    /// Terms are never reused, not by another presenter and not in another epoch.
    pub(crate) last_term: u32,
    pub(crate) host_gone: Option<Timestamp>,
    pub(crate) empty: Option<Timestamp>,
    pub(crate) scheduled_end: Option<Timestamp>,
    pub(crate) auto_end: Option<AutoEnd>,
    pub(crate) ended: Option<Ended>,
    /// How many people are present. Derived; kept so that reading it costs nothing.
    pub(crate) present: u32,
    /// Who waits at the door, and for a while who did. Absent from snapshots that are older than
    /// knocks.
    #[serde(default)]
    pub(crate) knocks: BTreeMap<KnockId, Knock>,
    /// Whether the installation asks for approval besides. Who is let in at once is decided before
    /// the kernel; this is what people see.
    #[serde(default)]
    pub(crate) admission_forced: bool,
    /// The deadlines of members and knocks, earliest first. Derived from `people` and `knocks`.
    pub(crate) timers: BTreeSet<(Timestamp, Timer)>,
}

/// A deadline of a member or a knock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Timer {
    /// A lost point is to be announced.
    Announce(MemberId, PointId),
    /// A grace is over.
    Grace(MemberId),
    /// A knock was not answered in time.
    Knock(KnockId),
}

/// Something for each of a person's few points, in order of their ids. A tree's nodes would have
/// room for a dozen, and there are many people.
pub type ByPoint<T> = LiteMap<PointId, T>;

/// An account that was admitted at some time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// Its profile.
    pub profile: Profile,
    /// Its membership state.
    pub standing: Membership,
    /// When its seat expires.
    pub seat_until: Timestamp,
    /// The points that it was given, the newest last; bounded.
    pub devices: ByPoint<Device>,
    /// The last nonces that took effect, the newest last; bounded.
    pub nonces: VecDeque<(u64, Seq)>,
    /// Whether it was a member at some time. Absent from older snapshots.
    #[serde(default)]
    pub was_present: bool,
}

/// The membership state of an account in a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Membership {
    /// Let in, never connected.
    Admitted,
    /// A member.
    Present(Box<Presence>),
    /// Was a member and may come back.
    Left,
    /// May not come back.
    Removed,
    /// Knocked and was not let in: never was here, and may not knock again.
    Denied,
}

/// A member's presence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Presence {
    /// When its first point connected.
    pub joined_at: Timestamp,
    /// The points that others see.
    pub points: ByPoint<PointState>,
    /// Without points: when its grace ends.
    pub away_until: Option<Timestamp>,
    /// Its part in the follow graph.
    pub follow: Follow,
}

/// A point that others see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointState {
    /// Which connection holds it.
    pub incarnation: u64,
    /// The connection is gone, and then others are told; `None`: it is connected.
    pub announce_at: Option<Timestamp>,
    /// Its app is in the background.
    pub background: bool,
}

/// A member's part in the follow graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follow {
    /// Its own choice.
    pub target: Option<MemberId>,
    /// Whether it follows the presenter.
    pub attached: bool,
    /// Whether it pauses.
    pub suspended: bool,
    /// The end of its effective chain. Derived from everybody's `target`, `attached`, `suspended`
    /// and who presents.
    pub root: Option<MemberId>,
    /// Why it is so.
    pub reason: EdgeReason,
}

impl Default for Follow {
    fn default() -> Self {
        Self {
            target: None,
            attached: false,
            suspended: false,
            root: None,
            reason: EdgeReason::Cancelled,
        }
    }
}

/// What an account may see and do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Hosts it.
    Host,
    /// Is a member.
    Present,
    /// Was let in and has not connected yet.
    Admitted,
    /// Was a member.
    Left,
    /// Was removed.
    Removed,
    /// Unknown here.
    Stranger,
}

impl Person {
    /// The seq that answered this nonce, if it took effect; 0 is no nonce.
    #[must_use]
    pub fn seq_of_nonce(&self, nonce: u64) -> Option<Seq> {
        self.nonces
            .iter()
            .rev()
            .find(|(n, _)| nonce != 0 && *n == nonce)
            .map(|(_, seq)| *seq)
    }
}

impl Presence {
    /// Whether others see it as online.
    #[must_use]
    pub fn online(&self) -> bool {
        !self.points.is_empty()
    }

    /// Whether a point is connected in truth, announced or not.
    #[must_use]
    pub fn connected(&self) -> bool {
        self.points.values().any(|p| p.announce_at.is_none())
    }
}

impl State {
    /// A new session: it has one entry; its host is admitted and no member is present.
    #[must_use]
    pub fn open(genesis: Genesis, seat_until: Timestamp, now: Timestamp) -> Self {
        let host = genesis.host.id;
        let person = Person {
            profile: genesis.host,
            standing: Membership::Admitted,
            seat_until,
            devices: ByPoint::from_iter([(genesis.point, genesis.device)]),
            nonces: VecDeque::new(),
            was_present: false,
        };
        Self {
            id: genesis.id,
            created_at: now,
            info: Info {
                title: genesis.title,
                host,
                admission: genesis.admission,
                host_left: genesis.host_left,
                max_members: genesis.max_members,
                locked: false,
            },
            epoch: genesis.epoch,
            index: 1,
            seq: Seq::NONE,
            last_at: now,
            people: BTreeMap::from([(host, person)]),
            presenting: None,
            last_term: 0,
            host_gone: None,
            empty: Some(now),
            scheduled_end: genesis.auto_end_after.map(|after| now + after),
            auto_end: None,
            ended: None,
            present: 0,
            knocks: BTreeMap::new(),
            admission_forced: false,
            timers: BTreeSet::new(),
        }
    }

    /// The session's id.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// Its present epoch.
    #[must_use]
    pub const fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// The last ordered seq.
    #[must_use]
    pub const fn seq(&self) -> Seq {
        self.seq
    }

    /// The last entry.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The time of the last entry.
    #[must_use]
    pub const fn last_at(&self) -> Timestamp {
        self.last_at
    }

    /// Whether it is over.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// When and why it ended.
    #[must_use]
    pub const fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// Who hosts it.
    #[must_use]
    pub const fn host(&self) -> MemberId {
        self.info.host
    }

    /// Who presents.
    #[must_use]
    pub const fn presenting(&self) -> Option<&Presenting> {
        self.presenting.as_ref()
    }

    /// An account that was admitted at some time.
    #[must_use]
    pub fn person(&self, who: MemberId) -> Option<&Person> {
        self.people.get(&who)
    }

    /// The profile of an account.
    #[must_use]
    pub fn profile(&self, who: MemberId) -> Option<&Profile> {
        self.person(who).map(|p| &p.profile)
    }

    /// A member's presence.
    #[must_use]
    pub fn presence(&self, who: MemberId) -> Option<&Presence> {
        match &self.people.get(&who)?.standing {
            Membership::Present(presence) => Some(presence),
            _ => None,
        }
    }

    /// All members, by id.
    pub fn present(&self) -> impl Iterator<Item = (MemberId, &Presence)> {
        self.people
            .iter()
            .filter_map(|(id, person)| match &person.standing {
                Membership::Present(presence) => Some((*id, presence.as_ref())),
                _ => None,
            })
    }

    /// What an account may see and do.
    #[must_use]
    pub fn access(&self, who: MemberId) -> Access {
        if who == self.info.host {
            return Access::Host;
        }
        match self.people.get(&who).map(|p| &p.standing) {
            Some(Membership::Present(_)) => Access::Present,
            Some(Membership::Admitted) => Access::Admitted,
            Some(Membership::Left) => Access::Left,
            Some(Membership::Removed) => Access::Removed,
            Some(Membership::Denied) | None => Access::Stranger,
        }
    }

    /// Whose point this is, if it was given out and is still known.
    #[must_use]
    pub fn owner_of_point(&self, point: PointId) -> Option<MemberId> {
        self.people
            .iter()
            .find(|(_, person)| person.devices.contains_key(&point))
            .map(|(id, _)| *id)
    }

    /// When the seat that is held for an account expires; `None` when none is held.
    #[must_use]
    pub fn seat_expires_at(&self, who: MemberId) -> Option<Timestamp> {
        self.people.get(&who).map(|p| p.seat_until)
    }

    /// Whether an account may take a seat now: members, held seats and always the seat of the host
    /// count.
    #[must_use]
    pub fn has_room_for(&self, who: MemberId, now: Timestamp) -> bool {
        if who == self.info.host || self.presence(who).is_some() {
            return true;
        }
        let taken = self
            .people
            .iter()
            .filter(|(id, person)| **id != who && self.takes_a_place(**id, person, now))
            .count();
        taken < self.info.max_members as usize
    }

    fn takes_a_place(&self, who: MemberId, person: &Person, now: Timestamp) -> bool {
        match person.standing {
            Membership::Present(_) => true,
            Membership::Removed | Membership::Denied => false,
            Membership::Admitted | Membership::Left => {
                who == self.info.host || person.seat_until > now
            }
        }
    }

    /// The session, as everybody in it sees it.
    #[must_use]
    pub fn face_session(&self) -> FaceSession {
        let info = self.info.clone();
        FaceSession {
            id: self.id,
            title: info.title,
            host: info.host,
            admission: info.admission,
            admission_forced: self.admission_forced,
            locked: info.locked,
            host_left: info.host_left,
            max_members: info.max_members,
            member_count: self.present,
            created_at: self.created_at,
            ended: self.ended,
        }
    }

    /// What the directory stores of the session.
    #[must_use]
    pub fn record(&self) -> SessionRecord {
        let was_there = |person: &Person| match person.standing {
            Membership::Present(_) => true,
            Membership::Left | Membership::Admitted => person.was_present,
            Membership::Removed | Membership::Denied => false,
        };
        let people = self.people.iter().filter(|_| self.is_ended());
        SessionRecord {
            session: self.face_session(),
            log_index: self.index,
            attendees: people
                .filter(|(_, person)| was_there(person))
                .map(|(id, _)| *id)
                .collect(),
        }
    }

    /// The role of an account.
    #[must_use]
    pub fn role(&self, profile: &Profile) -> Role {
        if profile.id == self.info.host {
            Role::Host
        } else if profile.guest {
            Role::Guest
        } else {
            Role::Member
        }
    }

    /// A member, as everybody sees it.
    #[must_use]
    pub fn member(&self, who: MemberId) -> Option<Member> {
        let person = self.people.get(&who)?;
        self.presence(who)
            .map(|presence| self.view(person, presence))
    }

    pub(crate) fn view(&self, person: &Person, presence: &Presence) -> Member {
        let profile = &person.profile;
        let device = |id: &PointId| person.devices.get(id).cloned().unwrap_or_default();
        Member {
            id: profile.id,
            nickname: profile.nickname.clone(),
            avatar_url: profile.avatar_url.clone(),
            role: self.role(profile),
            online: presence.online(),
            points: presence
                .points
                .keys()
                .map(|id| PointInfo {
                    id: *id,
                    device: device(id),
                })
                .collect(),
            joined_at: presence.joined_at,
            follow: self.edge(profile.id, &presence.follow),
        }
    }

    /// The member that a member follows, as it is announced; `None`: it follows no member.
    pub(crate) fn edge(&self, member: MemberId, follow: &Follow) -> Option<Edge> {
        let target = self.effective_target(member, follow)?;
        let Follow {
            root,
            suspended,
            reason,
            ..
        } = *follow;
        Some(Edge {
            member,
            target: Some(target),
            root,
            suspended,
            reason,
        })
    }

    pub(crate) fn effective_target(&self, member: MemberId, follow: &Follow) -> Option<MemberId> {
        match self.presenting {
            Some(p) if p.member == member => None,
            Some(p) if follow.attached => Some(p.member),
            _ => follow.target,
        }
    }

    /// All members as everybody sees them, by the time they joined, then by id.
    #[must_use]
    pub fn members(&self) -> Vec<Member> {
        let mut members: Vec<_> = self
            .present()
            .filter_map(|(id, _)| self.member(id))
            .collect();
        members.sort_by_key(|m| (m.joined_at, m.id));
        members
    }

    /// All members with the points that are connected now, announced or not: for a caller that asks
    /// once and does not receive events. In an ended session no member is connected.
    #[must_use]
    pub fn roster(&self) -> Vec<Member> {
        let mut members = self.members();
        for member in &mut members {
            let presence = self.presence(member.id);
            let connected = |id| {
                presence.is_some_and(|p| p.points.get(&id).is_some_and(|p| p.announce_at.is_none()))
            };
            member
                .points
                .retain(|point| !self.is_ended() && connected(point.id));
            member.online = !member.points.is_empty();
        }
        members
    }

    /// The whole state as a newcomer needs it, without positions.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            session: self.face_session(),
            members: self.members(),
            presenting: self.presenting,
            auto_end: self.auto_end,
            actions: Vec::new(),
        }
    }
}
