//! Histories in which a member says more under nonces than the server remembers, and asks again what it was answered.

use crate::chance::Chance;
use crate::client::Standing;
use crate::invariants::Verdict;
use crate::store::Mood;
use crate::world::World;
use faceshare_api::v1::{self, client_frame::Instruction};
use std::time::Duration;

/// Of ten seeds in a row, one is of such a history.
const EVERY: u64 = 10;
/// Nonces of one member that are to take effect: more than are remembered.
const EFFECTS: u32 = 72;
/// It gives up after so many turns: its session may be over, or it may be kept from following.
const TURNS: u64 = 60;
/// Questions without an answer at most: what it asks again is then among the nonces that must be remembered.
const OPEN: usize = 8;
/// What it asks in one turn: few enough for the rates and queues of everybody.
const AT_ONCE: u64 = 3;

impl World {
    /// Somebody talks, in the histories of some seeds. What it says is decided by a chance of its own, so that other histories stay as they are.
    pub(crate) async fn somebody_chatters(&mut self, seed: u64) -> Verdict {
        if seed % EVERY != 5 {
            return Ok(());
        }
        let mut chance = Chance::new(seed ^ 0x6368_6174);
        let able: Vec<usize> = (0..self.clients.len()).filter(|i| self.clients[*i].standing == Standing::Seated).collect();
        if able.is_empty() {
            return Ok(());
        }
        let index = able[chance.index(able.len())];
        let (member, point) = (self.clients[index].member, self.clients[index].point);
        self.trace.say(|| format!("point {point} chatters"));
        self.ports.store.set_mood(Mood::Well);
        let (mut nonces, mut effects) = (Vec::new(), 0);
        for turn in 0..TURNS {
            if effects >= EFFECTS {
                break;
            }
            self.keep_connected(index).await?;
            for said in 0..AT_ONCE {
                if self.clients[index].welcomed && self.clients[index].open_questions() < OPEN {
                    let nonce = point * 1_000_000 + turn * AT_ONCE + said;
                    nonces.push(nonce);
                    let instruction = self.chat(&mut chance, index, nonces.len());
                    self.clients[index].ask(instruction, nonce);
                }
            }
            self.pass(Duration::from_millis(60)).await?;
            // It is not sure of the answer, on this connection or the next one.
            if chance.one_in(3) {
                self.clients[index].ask_answered_again();
            }
            if chance.one_in(20)
                && let Some(link) = self.clients[index].link.clone()
            {
                link.cut();
            }
            effects = self.ports.store.archive(|archive| nonces.iter().map(|nonce| archive.effects(member, *nonce)).sum());
        }
        self.pass(Duration::from_millis(300)).await?;
        self.clients[index].ask_answered_again();
        self.trace.say(|| format!("point {point} has chattered: {effects} of {} took effect", nonces.len()));
        self.pass(Duration::from_millis(300)).await
    }

    /// Its line is good, if it may be here at all.
    async fn keep_connected(&mut self, index: usize) -> Verdict {
        let client = &mut self.clients[index];
        if let Some(link) = &client.link {
            link.set_stalled(false);
            if link.is_silent() {
                client.disconnect();
            }
        }
        if client.link.is_none() && client.standing == Standing::Seated {
            self.connect(index);
            self.pass(Duration::from_millis(300)).await?;
        }
        Ok(())
    }

    /// Follows and stops in turn, so that each changes something.
    fn chat(&self, chance: &mut Chance, index: usize, count: usize) -> Instruction {
        let member = self.clients[index].member;
        let others: Vec<u64> = self.clients.iter().filter(|c| c.welcomed && c.member != member).map(|c| c.member).collect();
        let target = if others.is_empty() { member } else { others[chance.index(others.len())] };
        match count % 2 {
            1 => Instruction::FollowOther(v1::FollowOther { target }),
            _ => Instruction::CancelFollow(v1::CancelFollow { suspend: 0 }),
        }
    }
}
