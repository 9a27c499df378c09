//! Processes received frames: welcome, checks, answers.

use super::{Clients, MemberState, Target};
use crate::bench::frame;
use crate::bench::wire::{Fields, Position, client_frame, frame_head, heartbeat_answer, kind};
use anyhow::{Context as _, Result};
use faceshare_api::v1::client_frame::Instruction as ClientInstruction;
use faceshare_api::v1::{FollowMe, follow_me};

/// The id of the host's `followMe`; other instructions are counted from 1.
const FOLLOW_ME: u32 = u32::MAX;

impl Clients {
    /// Processes complete frames; returns their length.
    pub(super) fn receive(&mut self, slot: usize, member: usize, bytes: &[u8]) -> Result<usize> {
        let now = self.now();
        let mut used = 0;
        while let Some(frame) = frame::first(&bytes[used..])? {
            used += frame.size;
            match frame.opcode {
                frame::BINARY => self.frame_received(member, frame.payload, now)?,
                frame::PING => {
                    let mut pong = Vec::new();
                    frame::write(&mut pong, frame::PONG, frame.payload);
                    self.net.send(slot, &pong);
                }
                frame::CLOSE => self.close_received(frame.payload),
                _ => {}
            }
        }
        Ok(used)
    }

    fn close_received(&mut self, payload: &[u8]) {
        if self.closing {
            return;
        }
        let (code, reason) = payload
            .split_first_chunk::<2>()
            .map_or((1005, &[][..]), |(code, reason)| {
                (u16::from_be_bytes(*code), reason)
            });
        self.measurements.record_fault(|| {
            format!(
                "the server closed a connection with {code} ({})",
                String::from_utf8_lossy(reason)
            )
        });
    }

    fn frame_received(&mut self, member: usize, payload: &[u8], now: u64) -> Result<()> {
        let head = frame_head(payload);
        if head.seq > 0 {
            self.check_order(member, head.seq);
            return Ok(());
        }
        match head.kind {
            kind::ACTION_SYNC => self.position_received(member, head.body, payload.len(), now),
            kind::SYS_HEART => {
                self.measurements.heartbeats += 1;
                let answer = heartbeat_answer(head.body, self.members[member].seq);
                self.send(member, &answer);
            }
            kind::WELCOME => self.welcomed(member, head.body)?,
            kind::ACK => self.acknowledged(member, head.body, now),
            kind::NACK => self.refused(head.body),
            _ => {}
        }
        Ok(())
    }

    /// Checks that ordered frames come once, in order and without gaps.
    fn check_order(&mut self, number: usize, seq: u32) {
        self.measurements.ordered += 1;
        let member = &mut self.members[number];
        let faults = &mut self.measurements.faults;
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

    fn position_received(&mut self, number: usize, body: &[u8], length: usize, now: u64) {
        let member = &mut self.members[number];
        let room = &self.rooms[member.room];
        self.measurements.deliveries += 1;
        self.measurements.payload = length;
        let position = Position::read(body)
            .filter(|position| usize::try_from(position.room).is_ok_and(|of| of == member.room));
        let Some(position) = position else {
            self.measurements.faults.misdirected += 1;
            return;
        };
        let skipped = member
            .received
            .record(position, &mut self.measurements.faults);
        match self.target {
            Target::Faceshare => self.measurements.conflated += skipped,
            // A baseline does not replace positions by newer ones.
            Target::Floor => self.measurements.faults.lost += skipped,
        }
        self.measurements
            .record_latency(room.group, position.due, now);
    }

    fn welcomed(&mut self, number: usize, body: &[u8]) -> Result<()> {
        let member = &mut self.members[number];
        let (mut seq, mut resumed) = (0, false);
        for (field, value) in Fields(body) {
            match field {
                1 => {
                    member.id = Fields(value.bytes())
                        .find(|(field, _)| *field == 1)
                        .context("a welcome without a member")?
                        .1
                        .number()
                }
                2 => member.epoch = value.text(),
                3 => seq = u32::try_from(value.number())?,
                4 => resumed = value.number() == 1,
                // The rest is the snapshot, which is long.
                5.. => break,
                _ => {}
            }
        }
        (member.head, member.resumed) = (seq, resumed);
        if !resumed {
            member.seq = seq;
        }
        let presents = member.host
            && self.present[self.rooms[member.room].group]
            && self.rooms[member.room].sent.iter().all(|sent| *sent == 0);
        if presents && !resumed {
            let on = FollowMe {
                invite: follow_me::Invite::On.into(),
                ..FollowMe::default()
            };
            let frame = client_frame(FOLLOW_ME, 0, ClientInstruction::FollowMe(on));
            self.send(number, &frame);
        } else {
            self.member_connected(number);
        }
        Ok(())
    }

    fn acknowledged(&mut self, number: usize, body: &[u8], now: u64) {
        let id = Fields(body)
            .find(|(field, _)| *field == 1)
            .map_or(0, |(_, value)| value.number());
        if id == u64::from(FOLLOW_ME) {
            if self.members[number].state < MemberState::Connected {
                self.member_connected(number);
            }
            return;
        }
        let unanswered = &mut self.members[number].unanswered;
        let Some(position) = unanswered
            .iter()
            .position(|(sent, _)| u64::from(*sent) == id)
        else {
            self.measurements.faults.repeated += 1;
            return;
        };
        if position > 0 {
            self.measurements.faults.reordered += 1;
        }
        let due = unanswered.remove(position).map_or(now, |(_, due)| due);
        let group = self.rooms[self.members[number].room].group;
        self.measurements.acks += 1;
        self.measurements.record_latency(group, due, now);
    }

    fn refused(&mut self, body: &[u8]) {
        self.measurements.faults.refused += 1;
        let code = Fields(body)
            .find(|(field, _)| *field == 2)
            .map(|(_, value)| value.text())
            .unwrap_or_default();
        self.measurements
            .record_fault(|| format!("an instruction was refused: {code}"));
    }
}
