//! What an entry does to a state. Total: an entry that `step` made for this state always applies.

use crate::entry::{Change, Entry};
use crate::planted::{PlantedFault, is_planted};
use crate::state::{ByPoint, Membership, Person, PointState, Presence, State, Timer};
use faceshare_biz::constants::NONCES_PER_MEMBER;
use faceshare_biz::domain::instruction::{Device, Profile, Seq};
use faceshare_biz::domain::{MemberId, PointId, Timestamp};
use std::collections::VecDeque;

/// Points remembered for each person, so that a token can be renewed and a device keeps its name.
const DEVICES_PER_PERSON: usize = 16;

/// Brings `state` to where `entry` leads.
pub fn apply(state: &mut State, entry: &Entry) {
    let frames = u32::try_from(entry.events.len()).expect("invariant: an entry has few frames");
    state.last_at = state.last_at.max(entry.at);
    for change in &entry.changes {
        state.change(change, entry.at);
    }
    state.index += 1;
    state.seq = state.seq.plus(frames);
}

impl State {
    fn change(&mut self, change: &Change, at: Timestamp) {
        match change {
            Change::Seated {
                profile,
                point,
                device,
                until,
            } => self.seat(profile, *point, device.as_ref(), *until),
            Change::Profile(profile) => {
                if let Some(person) = self.people.get_mut(&profile.id) {
                    person.profile = profile.clone();
                }
            }
            Change::Joined { member } => self.join(*member, at),
            Change::PointUp {
                member,
                point,
                incarnation,
            } => self.point_up(*member, *point, *incarnation),
            Change::PointDown {
                member,
                point,
                announce_at,
            } => self.point_down(*member, *point, *announce_at),
            Change::PointGone { member, point } => self.point_gone(*member, *point),
            Change::Away { member, until } => self.away(*member, Some(*until)),
            Change::Background {
                member,
                point,
                background,
            } => {
                if let Some(p) = self
                    .presence_mut(*member)
                    .and_then(|p| p.points.get_mut(point))
                {
                    p.background = *background;
                }
            }
            Change::Left { member } => self.depart(*member, Membership::Left),
            Change::Removed { member } => self.depart(*member, Membership::Removed),
            Change::Forgotten { member } => drop(self.people.remove(member)),
            Change::Follow { member, follow } => {
                if let Some(presence) = self.presence_mut(*member) {
                    presence.follow = *follow;
                }
            }
            Change::Presenting(presenting) => {
                self.presenting = *presenting;
                self.last_term = presenting.map_or(self.last_term, |p| p.term);
            }
            Change::Info(info) => self.info = info.clone(),
            Change::AdmissionForced(forced) => self.admission_forced = *forced,
            Change::HostGone(since) => self.host_gone = *since,
            Change::Empty(since) => self.empty = *since,
            Change::ScheduledEnd(end) => self.scheduled_end = *end,
            Change::AutoEnd(auto_end) => self.auto_end = *auto_end,
            Change::Ended(ended) => self.ended = Some(*ended),
            Change::Nonce { member, nonce, seq } => self.remember_nonce(*member, *nonce, *seq),
            Change::Knocked(knock) => self.knocked(knock, at),
            Change::KnockOver { knock, state } => self.knock_over(*knock, *state),
            Change::Epoch(epoch) => {
                self.epoch = epoch.clone();
                self.seq = Seq::NONE;
            }
        }
    }

    fn presence_mut(&mut self, who: MemberId) -> Option<&mut Presence> {
        match &mut self.people.get_mut(&who)?.standing {
            Membership::Present(presence) => Some(presence),
            _ => None,
        }
    }

    fn seat(
        &mut self,
        profile: &Profile,
        point: PointId,
        device: Option<&Device>,
        until: Timestamp,
    ) {
        let person = self.people.entry(profile.id).or_insert_with(|| Person {
            profile: profile.clone(),
            standing: Membership::Admitted,
            seat_until: until,
            devices: ByPoint::with_capacity(1),
            nonces: VecDeque::new(),
            was_present: false,
        });
        person.profile = profile.clone();
        person.seat_until = person.seat_until.max(until);
        person.know(point, device);
    }

    fn join(&mut self, member: MemberId, at: Timestamp) {
        if let Some(person) = self.people.get_mut(&member) {
            let presence = Presence {
                joined_at: at,
                points: ByPoint::with_capacity(1),
                away_until: None,
                follow: Default::default(),
            };
            person.standing = Membership::Present(Box::new(presence));
            person.was_present = true;
            self.present += 1;
        }
    }

    fn point_up(&mut self, member: MemberId, point: PointId, incarnation: u64) {
        self.away(member, None);
        let up = PointState {
            incarnation,
            announce_at: None,
            background: false,
        };
        let before = self
            .presence_mut(member)
            .and_then(|presence| presence.points.insert(point, up));
        if let Some(PointState {
            announce_at: Some(announce_at),
            ..
        }) = before
        {
            self.timers
                .remove(&(announce_at, Timer::Announce(member, point)));
        }
        if let Some(person) = self.people.get_mut(&member) {
            person.know(point, None);
        }
    }

    fn point_down(&mut self, member: MemberId, point: PointId, announce_at: Timestamp) {
        if let Some(p) = self
            .presence_mut(member)
            .and_then(|presence| presence.points.get_mut(&point))
        {
            p.announce_at = Some(announce_at);
            self.timers
                .insert((announce_at, Timer::Announce(member, point)));
        }
    }

    fn point_gone(&mut self, member: MemberId, point: PointId) {
        let gone = self
            .presence_mut(member)
            .and_then(|presence| presence.points.remove(&point));
        if let Some(PointState {
            announce_at: Some(announce_at),
            ..
        }) = gone
            && !is_planted(PlantedFault::LastingDeadline)
        {
            self.timers
                .remove(&(announce_at, Timer::Announce(member, point)));
        }
    }

    fn away(&mut self, member: MemberId, until: Option<Timestamp>) {
        let before = self
            .presence_mut(member)
            .and_then(|presence| std::mem::replace(&mut presence.away_until, until));
        if let Some(before) = before {
            self.timers.remove(&(before, Timer::Grace(member)));
        }
        if let Some(until) = until {
            self.timers.insert((until, Timer::Grace(member)));
        }
    }

    fn depart(&mut self, member: MemberId, standing: Membership) {
        self.away(member, None);
        let points: Vec<_> = self
            .presence(member)
            .map(|p| p.points.keys().copied().collect())
            .unwrap_or_default();
        for point in points {
            self.point_gone(member, point);
        }
        let Some(person) = self.people.get_mut(&member) else {
            return;
        };
        if matches!(
            std::mem::replace(&mut person.standing, standing),
            Membership::Present(_)
        ) {
            self.present -= 1;
        }
        person.seat_until = Timestamp::default();
    }

    fn remember_nonce(&mut self, member: MemberId, nonce: u64, seq: Seq) {
        let Some(person) = self.people.get_mut(&member) else {
            return;
        };
        if person.nonces.len() == NONCES_PER_MEMBER {
            if is_planted(PlantedFault::NewestNonceForgotten) {
                person.nonces.pop_back();
            } else {
                person.nonces.pop_front();
            }
        }
        person.nonces.push_back((nonce, seq));
    }
}

impl Person {
    /// Remembers a point, and what it is if that is said. Beyond the bound the oldest that is not
    /// in use is forgotten.
    fn know(&mut self, point: PointId, device: Option<&Device>) {
        let known = self.devices.entry(point).or_default();
        if let Some(device) = device {
            *known = device.clone();
        }
        let used: Vec<_> = match &self.standing {
            Membership::Present(presence) => presence.points.keys().copied().collect(),
            _ => Vec::new(),
        };
        while self.devices.len() > DEVICES_PER_PERSON {
            let Some(oldest) = self
                .devices
                .keys()
                .find(|p| !used.contains(p) && **p != point)
                .copied()
            else {
                break;
            };
            self.devices.remove(&oldest);
        }
    }
}
