//! What comes on a stream: welcomed, checked, answered.

use super::{Crowd, Stage, Target};
use crate::bench::frame;
use crate::bench::wire::{Fields, Position, heart_answer, kind, look, say};
use anyhow::{Context as _, Result};
use faceshare_api::v1::client_frame::Instruction as Say;
use faceshare_api::v1::{FollowMe, follow_me};

/// The id of the host's `followMe`, apart from those that are counted.
const FOLLOW_ME: u32 = u32::MAX;

impl Crowd {
    /// Gives how much of the bytes were whole frames.
    pub(super) fn hear(&mut self, slot: usize, member: usize, bytes: &[u8]) -> Result<usize> {
        let now = self.now();
        let mut used = 0;
        while let Some(frame) = frame::first(&bytes[used..])? {
            used += frame.whole;
            match frame.opcode {
                frame::BINARY => self.told(member, frame.payload, now)?,
                frame::PING => {
                    let mut pong = Vec::new();
                    frame::write(&mut pong, frame::PONG, frame.payload);
                    self.net.send(slot, &pong);
                }
                frame::CLOSE => self.close_heard(frame.payload),
                _ => {}
            }
        }
        Ok(used)
    }

    fn close_heard(&mut self, payload: &[u8]) {
        if self.letting_go {
            return;
        }
        let (code, reason) = payload.split_first_chunk::<2>().map_or((1005, &[][..]), |(code, reason)| (u16::from_be_bytes(*code), reason));
        self.tally.fault(|| format!("the server closed a connection with {code} ({})", String::from_utf8_lossy(reason)));
    }

    fn told(&mut self, member: usize, payload: &[u8], now: u64) -> Result<()> {
        let seen = look(payload);
        if seen.seq > 0 {
            self.ordered(member, seen.seq);
            return Ok(());
        }
        match seen.kind {
            kind::ACTION_SYNC => self.shown(member, seen.body, payload.len(), now),
            kind::SYS_HEART => {
                self.tally.heartbeats += 1;
                let answer = heart_answer(seen.body, self.members[member].seq);
                self.send(member, &answer);
            }
            kind::WELCOME => self.welcomed(member, seen.body)?,
            kind::ACK => self.acknowledged(member, seen.body, now),
            kind::NACK => self.refused(seen.body),
            _ => {}
        }
        Ok(())
    }

    /// Each once, in order, without a gap.
    fn ordered(&mut self, number: usize, seq: u32) {
        self.tally.ordered += 1;
        let member = &mut self.members[number];
        let faults = &mut self.tally.faults;
        match seq {
            next if next == member.seq + 1 => member.seq = next,
            later if later > member.seq => {
                faults.lost += u64::from(later - member.seq - 1);
                member.seq = later;
            }
            same if same == member.seq => faults.repeated += 1,
            _ => faults.reordered += 1,
        }
    }

    fn shown(&mut self, number: usize, body: &[u8], length: usize, now: u64) {
        let member = &mut self.members[number];
        let room = &self.rooms[member.room];
        self.tally.deliveries += 1;
        self.tally.payload = length;
        let position = Position::read(body).filter(|position| usize::try_from(position.room).is_ok_and(|of| of == member.room));
        let Some(position) = position else {
            self.tally.faults.misdirected += 1;
            return;
        };
        let skipped = member.followed.note(position, &mut self.tally.faults);
        match self.target {
            Target::Faceshare => self.tally.conflated += skipped,
            // A baseline promises nothing newer in its place.
            Target::Floor => self.tally.faults.lost += skipped,
        }
        self.tally.latency(room.group, position.due, now);
    }

    fn welcomed(&mut self, number: usize, body: &[u8]) -> Result<()> {
        let member = &mut self.members[number];
        let (mut seq, mut resumed) = (0, false);
        for (field, value) in Fields(body) {
            match field {
                1 => member.id = Fields(value.bytes()).find(|(field, _)| *field == 1).context("a welcome without a member")?.1.number(),
                2 => member.epoch = value.text(),
                3 => seq = u32::try_from(value.number())?,
                4 => resumed = value.number() == 1,
                // What is left is the snapshot, which is long.
                5.. => break,
                _ => {}
            }
        }
        (member.head, member.resumed) = (seq, resumed);
        if !resumed {
            member.seq = seq;
        }
        let presents =
            member.host && self.present[self.rooms[member.room].group] && self.rooms[member.room].sent.iter().all(|sent| *sent == 0);
        if presents && !resumed {
            let on = FollowMe { invite: follow_me::Invite::On.into(), ..FollowMe::default() };
            let frame = say(FOLLOW_ME, 0, Say::FollowMe(on));
            self.send(number, &frame);
        } else {
            self.arrived(number);
        }
        Ok(())
    }

    fn acknowledged(&mut self, number: usize, body: &[u8], now: u64) {
        let id = Fields(body).find(|(field, _)| *field == 1).map_or(0, |(_, value)| value.number());
        if id == u64::from(FOLLOW_ME) {
            if self.members[number].stage < Stage::Connected {
                self.arrived(number);
            }
            return;
        }
        let unanswered = &mut self.members[number].unanswered;
        let Some(place) = unanswered.iter().position(|(asked, _)| u64::from(*asked) == id) else {
            self.tally.faults.repeated += 1;
            return;
        };
        if place > 0 {
            self.tally.faults.reordered += 1;
        }
        let due = unanswered.remove(place).map_or(now, |(_, due)| due);
        let group = self.rooms[self.members[number].room].group;
        self.tally.acks += 1;
        self.tally.latency(group, due, now);
    }

    fn refused(&mut self, body: &[u8]) {
        self.tally.faults.refused += 1;
        let code = Fields(body).find(|(field, _)| *field == 2).map(|(_, value)| value.text()).unwrap_or_default();
        self.tally.fault(|| format!("an instruction was refused: {code}"));
    }
}
