//! Histories in which a member sends more nonces than the server remembers, and sends acknowledged instructions again.

use crate::client::{Client, SeatState};
use crate::invariants::Verdict;
use crate::random::Random;
use crate::store::StoreMode;
use crate::world::World;
use faceshare_api::v1::{self, client_frame::Instruction};
use std::time::Duration;

/// One in ten seeds is such a history.
const EVERY: u64 = 10;
/// Nonces of one member that must take effect: more than the server remembers.
const EFFECTS: u32 = 72;
/// The member gives up after this many rounds: its session may be over, or it may not be allowed to follow.
const ROUNDS: u64 = 60;
/// The most instructions without an answer: one that is sent again is then among the nonces that the server must remember.
const UNANSWERED: usize = 8;
/// Instructions per round: few enough for every rate and queue.
const PER_ROUND: u64 = 3;

impl World {
    /// In the histories of some seeds, one member sends many nonces. It draws from a generator of its own, so that other histories stay as they
    /// are.
    pub(crate) async fn send_many_nonces(&mut self, seed: u64) -> Verdict {
        if seed % EVERY != 5 {
            return Ok(());
        }
        let mut random = Random::new(seed ^ 0x6368_6174);
        let able: Vec<usize> = (0..self.clients.len())
            .filter(|i| self.clients[*i].seat == SeatState::Seated)
            .collect();
        if able.is_empty() {
            return Ok(());
        }
        let index = able[random.index(able.len())];
        let (member, point) = (self.clients[index].member, self.clients[index].point);
        self.trace
            .log(|| format!("point {point} sends many nonces"));
        self.ports.store.set_mode(StoreMode::Healthy);
        // An older instruction of any of its devices, sent again later, would be beyond the nonces
        // that the server must remember.
        let devices = self.clients.iter_mut().filter(|c| c.member == member);
        devices.for_each(Client::give_up);
        let (mut nonces, mut effects) = (Vec::new(), 0);
        for round in 0..ROUNDS {
            if effects >= EFFECTS {
                break;
            }
            self.keep_connected(index).await?;
            for number in 0..PER_ROUND {
                if self.clients[index].welcomed
                    && self.clients[index].unanswered_count() < UNANSWERED
                {
                    let nonce = point * 1_000_000 + round * PER_ROUND + number;
                    nonces.push(nonce);
                    let instruction = self.next_instruction(&mut random, index, nonces.len());
                    self.clients[index].send_new_instruction(instruction, nonce);
                }
            }
            self.pass(Duration::from_millis(60)).await?;
            // The member repeats what was acknowledged, on this connection or the next one.
            if random.one_in(3) {
                self.clients[index].send_answered_again();
            }
            if random.one_in(20)
                && let Some(link) = self.clients[index].link.clone()
            {
                link.cut();
            }
            effects = self.ports.store.archive(|archive| {
                nonces
                    .iter()
                    .map(|nonce| archive.effects(member, *nonce))
                    .sum()
            });
        }
        self.pass(Duration::from_millis(300)).await?;
        self.clients[index].send_answered_again();
        self.trace.log(|| {
            format!(
                "point {point} sent many nonces: {effects} of {} took effect",
                nonces.len()
            )
        });
        self.pass(Duration::from_millis(300)).await
    }

    /// Connects the member again where it has no working link, if it still has a seat.
    async fn keep_connected(&mut self, index: usize) -> Verdict {
        let client = &mut self.clients[index];
        if let Some(link) = &client.link {
            link.set_stalled(false);
            if link.is_silent() {
                client.disconnect();
            }
        }
        if client.link.is_none() && client.seat == SeatState::Seated {
            self.connect(index);
            self.pass(Duration::from_millis(300)).await?;
        }
        Ok(())
    }

    /// Follows and stops in turn, so that each instruction changes the state.
    fn next_instruction(&self, random: &mut Random, index: usize, count: usize) -> Instruction {
        let member = self.clients[index].member;
        let others: Vec<u64> = self
            .clients
            .iter()
            .filter(|c| c.welcomed && c.member != member)
            .map(|c| c.member)
            .collect();
        let target = if others.is_empty() {
            member
        } else {
            others[random.index(others.len())]
        };
        match count % 2 {
            1 => Instruction::FollowOther(v1::FollowOther { target }),
            _ => Instruction::CancelFollow(v1::CancelFollow { suspend: 0 }),
        }
    }
}
