//! How members come: guest, session or number code, stream. Each takes the next step as soon as it can, up to its goal.

use super::{Crowd, OPENING, Stage, Target};
use crate::bench::http::{Answer, Call, Purpose, answer, post, upgrade};
use crate::bench::net::Role;
use anyhow::{Context as _, Result, bail};
use serde_json::json;
use std::fmt::Write as _;
use std::ops::Range;

impl Crowd {
    /// Has these members come as far as `goal`.
    pub(in crate::bench) fn bring(&mut self, members: Range<usize>, goal: Stage) {
        for member in members {
            self.bring_one(member, goal);
        }
    }

    pub(in crate::bench) fn bring_one(&mut self, member: usize, goal: Stage) {
        self.members[member].goal = goal;
        self.next_step(member);
    }

    /// Begins the next step of a member, if there is one to take now.
    pub(super) fn next_step(&mut self, number: usize) {
        let member = &self.members[number];
        if member.busy || member.stage >= member.goal {
            return;
        }
        let (access, room) = (member.access.as_str(), &self.rooms[member.room]);
        let call = match member.stage {
            Stage::Connected => return,
            // A baseline knows nobody, but its senders come first too.
            Stage::Nobody if self.target == Target::Floor => {
                self.members[number].stage = Stage::Admitted;
                return self.next_step(number);
            }
            Stage::Nobody => {
                let nickname = json!({ "nickname": format!("bench {number}") });
                Call { purpose: Purpose::Guest(number), request: post(&self.host, "/v1/guests", None, &nickname) }
            }
            Stage::Guest if member.host => {
                let new = json!({ "title": "bench", "maxMembers": room.members.len().max(2) });
                Call { purpose: Purpose::Create(number), request: post(&self.host, "/v1/face-sessions", Some(access), &new) }
            }
            Stage::Guest => {
                // The host has not got one yet, and wakes everybody when it has.
                let Some(code) = &room.code else { return };
                let key = json!({ "numberCode": code, "device": { "name": "bench", "kind": "bench" } });
                Call { purpose: Purpose::Prejoin(number), request: post(&self.host, "/v1/face-sessions/prejoin", Some(access), &key) }
            }
            Stage::Admitted => {
                self.members[number].busy = true;
                return self.to_open.push_back(number);
            }
        };
        self.members[number].busy = true;
        self.pool.waiting.push_back(call);
    }

    /// Makes the calls and opens the streams that wait, as many at once as there may be.
    pub(super) fn go_on(&mut self) -> Result<()> {
        while self.opening < self.opening_at_once {
            let Some(member) = self.to_open.pop_front() else { break };
            self.opening += 1;
            self.open(member)?;
        }
        if self.pool.waiting.is_empty() {
            return Ok(());
        }
        for place in 0..self.pool.places.len() {
            // A seat is kept for half a minute: nobody asks for one who would have to queue for the door.
            if self.to_open.len() > 2 * OPENING {
                break;
            }
            if self.pool.places[place].1.is_some() {
                continue;
            }
            let Some(call) = self.pool.waiting.pop_front() else { break };
            let link = match self.pool.places[place].0 {
                Some(link) => link,
                None => self.net.open(Role::Http(place))?,
            };
            self.net.send(link, &call.request);
            self.pool.places[place] = (Some(link), Some(call));
        }
        Ok(())
    }

    fn open(&mut self, number: usize) -> Result<()> {
        let member = &self.members[number];
        let request = match self.target {
            Target::Floor => {
                let role = if member.host { "sender" } else { "receiver" };
                upgrade(&self.host, &format!("/room/{}?role={role}", member.room), None)
            }
            Target::Faceshare => {
                let mut path = "/v1/instructions".to_owned();
                if !member.epoch.is_empty() {
                    let _ = write!(path, "?epoch={}&seq={}", member.epoch, member.seq);
                }
                upgrade(&self.host, &path, Some(&member.session_token))
            }
        };
        let link = self.net.open(Role::Opening(number))?;
        self.net.send(link, &request);
        self.members[number].link = Some(link);
        Ok(())
    }

    /// An answer on a connection of the pool; gives how much of the bytes it was.
    pub(super) fn answered(&mut self, place: usize, bytes: &[u8]) -> Result<usize> {
        let Some((answer, used)) = answer(bytes)? else { return Ok(0) };
        let call = self.pool.places.get_mut(place).and_then(|(_, call)| call.take());
        let call = call.context("the server answered what was not asked")?;
        self.learn(call.purpose, &answer)?;
        Ok(used)
    }

    fn learn(&mut self, purpose: Purpose, answer: &Answer) -> Result<()> {
        let number = match purpose {
            Purpose::Guest(number) => {
                self.members[number].access = answer.text("/accessToken")?;
                self.members[number].stage = Stage::Guest;
                number
            }
            Purpose::Create(number) => {
                self.admitted(number, answer)?;
                let room = self.members[number].room;
                self.rooms[room].code = Some(answer.text("/numberCode/code")?);
                number
            }
            Purpose::Prejoin(number) => {
                self.admitted(number, answer)?;
                number
            }
        };
        self.members[number].busy = false;
        self.next_step(number);
        Ok(())
    }

    fn admitted(&mut self, number: usize, answer: &Answer) -> Result<()> {
        self.members[number].session_token = answer.text("/sessionToken")?;
        self.members[number].stage = Stage::Admitted;
        Ok(())
    }

    /// The answer to an upgrade; gives how much of the bytes it was.
    pub(super) fn opened(&mut self, slot: usize, number: usize, bytes: &[u8]) -> Result<usize> {
        let Some((answer, used)) = answer(bytes)? else { return Ok(0) };
        if answer.status != 101 {
            if self.tally.first_fault.is_none() {
                self.tally.first_fault = Some(format!("a stream was refused ({}): {}", answer.status, answer.body));
            }
            if answer.status < 500 {
                bail!("a stream was refused ({}): {}", answer.status, answer.body);
            }
            self.net.drop_link(slot);
            self.gone(number, Role::Opening(number));
            return Ok(used);
        }
        if let Some(link) = self.net.link(slot) {
            link.role = Role::Stream(number);
        }
        if self.target == Target::Floor {
            self.arrived(number);
        }
        Ok(used)
    }

    /// A member is where it can take part; a host opens the door for the others.
    pub(super) fn arrived(&mut self, number: usize) {
        let (now, room) = (self.now(), self.members[number].room);
        let group = self.rooms[room].group;
        let member = &mut self.members[number];
        member.stage = Stage::Connected;
        member.busy = false;
        self.opening -= 1;
        self.connected += 1;
        member.followed.start_at(&self.rooms[room].sent);
        if let Some(due) = member.due.take() {
            self.tally.latency(group, due, now);
        }
        if member.host {
            let others = self.rooms[room].members.clone().skip(1);
            others.for_each(|other| self.next_step(other));
        }
    }
}
