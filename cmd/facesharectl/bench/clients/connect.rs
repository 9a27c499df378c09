//! How members connect: guest account, session or number code, stream. Each takes the next step as
//! soon as it can, until its goal.

use super::{CONCURRENT_OPENS, Clients, MemberState, Target};
use crate::bench::connections::Role;
use crate::bench::http::{Call, HttpAnswer, Purpose, answer, post, upgrade};
use anyhow::{Context as _, Result, bail};
use serde_json::json;
use std::fmt::Write as _;
use std::ops::Range;

impl Clients {
    /// Sets the goal of these members and starts their next step.
    pub(in crate::bench) fn advance(&mut self, members: Range<usize>, goal: MemberState) {
        for member in members {
            self.advance_one(member, goal);
        }
    }

    pub(in crate::bench) fn advance_one(&mut self, member: usize, goal: MemberState) {
        self.members[member].goal = goal;
        self.next_step(member);
    }

    /// Starts the next step of a member, if it can be taken now.
    pub(super) fn next_step(&mut self, number: usize) {
        let member = &self.members[number];
        if member.busy || member.state >= member.goal {
            return;
        }
        let (access, room) = (member.access.as_str(), &self.rooms[member.room]);
        let call = match member.state {
            MemberState::Connected => return,
            // A baseline has no accounts, but its senders connect first too.
            MemberState::Idle if self.target == Target::Floor => {
                self.members[number].state = MemberState::Admitted;
                return self.next_step(number);
            }
            MemberState::Idle => {
                let nickname = json!({ "nickname": format!("bench {number}") });
                Call {
                    purpose: Purpose::Guest(number),
                    request: post(&self.host, "/v1/guests", None, &nickname),
                }
            }
            MemberState::Guest if member.host => {
                let new = json!({ "title": "bench", "maxMembers": room.members.len().max(2) });
                Call {
                    purpose: Purpose::Create(number),
                    request: post(&self.host, "/v1/face-sessions", Some(access), &new),
                }
            }
            MemberState::Guest => {
                // The host has no code yet, and starts this step for all members when it has.
                let Some(code) = &room.code else { return };
                let key =
                    json!({ "numberCode": code, "device": { "name": "bench", "kind": "bench" } });
                Call {
                    purpose: Purpose::Prejoin(number),
                    request: post(&self.host, "/v1/face-sessions/prejoin", Some(access), &key),
                }
            }
            MemberState::Admitted => {
                self.members[number].busy = true;
                return self.open_queue.push_back(number);
            }
        };
        self.members[number].busy = true;
        self.pool.waiting.push_back(call);
    }

    /// Starts queued calls and opens queued streams, up to their limits of concurrency.
    pub(super) fn start_queued(&mut self) -> Result<()> {
        while self.opening < self.concurrent_opens {
            let Some(member) = self.open_queue.pop_front() else {
                break;
            };
            self.opening += 1;
            self.open(member)?;
        }
        if self.pool.waiting.is_empty() {
            return Ok(());
        }
        for index in 0..self.pool.slots.len() {
            // A seat is reserved for half a minute: do not request one while many streams wait to
            // be opened.
            if self.open_queue.len() > 2 * CONCURRENT_OPENS {
                break;
            }
            if self.pool.slots[index].1.is_some() {
                continue;
            }
            let Some(call) = self.pool.waiting.pop_front() else {
                break;
            };
            let connection = match self.pool.slots[index].0 {
                Some(connection) => connection,
                None => self.net.open(Role::Http(index))?,
            };
            self.net.send(connection, &call.request);
            self.pool.slots[index] = (Some(connection), Some(call));
        }
        Ok(())
    }

    fn open(&mut self, number: usize) -> Result<()> {
        let member = &self.members[number];
        let request = match self.target {
            Target::Floor => {
                let role = if member.host { "sender" } else { "receiver" };
                upgrade(
                    &self.host,
                    &format!("/room/{}?role={role}", member.room),
                    None,
                )
            }
            Target::Faceshare => {
                let mut path = "/v1/instructions".to_owned();
                if !member.epoch.is_empty() {
                    let _ = write!(path, "?epoch={}&seq={}", member.epoch, member.seq);
                }
                upgrade(&self.host, &path, Some(&member.session_token))
            }
        };
        let connection = self.net.open(Role::Opening(number))?;
        self.net.send(connection, &request);
        self.members[number].connection = Some(connection);
        Ok(())
    }

    /// Processes an answer on a connection of the pool; returns its length.
    pub(super) fn answered(&mut self, index: usize, bytes: &[u8]) -> Result<usize> {
        let Some((answer, used)) = answer(bytes)? else {
            return Ok(0);
        };
        let call = self
            .pool
            .slots
            .get_mut(index)
            .and_then(|(_, call)| call.take());
        let call = call.context("the server answered without a request")?;
        self.apply_answer(call.purpose, &answer)?;
        Ok(used)
    }

    fn apply_answer(&mut self, purpose: Purpose, answer: &HttpAnswer) -> Result<()> {
        let number = match purpose {
            Purpose::Guest(number) => {
                self.members[number].access = answer.text("/accessToken")?;
                self.members[number].state = MemberState::Guest;
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

    fn admitted(&mut self, number: usize, answer: &HttpAnswer) -> Result<()> {
        self.members[number].session_token = answer.text("/sessionToken")?;
        self.members[number].state = MemberState::Admitted;
        Ok(())
    }

    /// Processes the answer to an upgrade; returns its length.
    pub(super) fn opened(&mut self, slot: usize, number: usize, bytes: &[u8]) -> Result<usize> {
        let Some((answer, used)) = answer(bytes)? else {
            return Ok(0);
        };
        if answer.status != 101 {
            if self.measurements.first_fault.is_none() {
                self.measurements.first_fault = Some(format!(
                    "a stream was refused ({}): {}",
                    answer.status, answer.body
                ));
            }
            if answer.status < 500 {
                bail!("a stream was refused ({}): {}", answer.status, answer.body);
            }
            self.net.drop_connection(slot);
            self.disconnected(number, Role::Opening(number));
            return Ok(used);
        }
        if let Some(connection) = self.net.connection(slot) {
            connection.role = Role::Stream(number);
        }
        if self.target == Target::Floor {
            self.member_connected(number);
        }
        Ok(used)
    }

    /// Marks a member as connected; when it is a host, the other members of its room continue.
    pub(super) fn member_connected(&mut self, number: usize) {
        let (now, room) = (self.now(), self.members[number].room);
        let group = self.rooms[room].group;
        let member = &mut self.members[number];
        member.state = MemberState::Connected;
        member.busy = false;
        self.opening -= 1;
        self.connected += 1;
        member.received.start_at(&self.rooms[room].sent);
        if let Some(due) = member.due.take() {
            self.measurements.record_latency(group, due, now);
        }
        if member.host {
            let others = self.rooms[room].members.clone().skip(1);
            others.for_each(|other| self.next_step(other));
        }
    }
}
