//! Strangers at the door: they knock, wait and ask how it ended; the host, and sometimes somebody else, answers.
//!
//! They come in two of five histories, by a chance of their own: the other histories stay what they are without them, so that a seed which
//! found a fault once still stands for it.

use crate::chance::Chance;
use crate::client::{Client, Standing};
use crate::invariants::{self as must, Verdict};
use crate::ports::session_id;
use crate::world::{Answer, Call, World, member, point, profile};
use faceshare_api::v1::{self, client_frame::Instruction};
use faceshare_biz::domain::KnockId;
use faceshare_biz::domain::instruction::{KnockState, Origin, WireFormat};
use faceshare_exec::{Arrival, Input, KnockAnswer, Via};

/// Members from here on are strangers at first.
const FIRST: u64 = 50;
/// So many come in one history.
const MOST: usize = 8;
/// Where they come from.
const ADDRESSES: u64 = 3;

/// Somebody at the door.
#[derive(Debug)]
pub(crate) struct Stranger {
    member: u64,
    /// By which it waits, or waited last.
    knock: Option<KnockId>,
    /// How that ended, once it was told.
    told: Option<KnockState>,
    /// A call of its own is on its way.
    calls: bool,
    /// It has come in, and is a client now.
    inside: bool,
}

/// All of them, in a history that has any.
#[derive(Debug)]
pub(crate) struct Door {
    chance: Chance,
    strangers: Vec<Stranger>,
    knocks: u64,
}

impl Door {
    /// For this history; `None`: nobody comes.
    pub(crate) fn of(seed: u64) -> Option<Self> {
        (seed % 5 < 2).then(|| Self { chance: Chance::new(!seed), strangers: Vec::new(), knocks: 0 })
    }

    /// Nobody knows what came of the calls to a server that is gone: they are made again.
    pub(crate) fn give_up_calls(&mut self) {
        self.strangers.iter_mut().for_each(|stranger| stranger.calls = false);
    }
}

impl World {
    /// What happens at the door before the next step.
    pub(crate) fn at_the_door(&mut self) {
        let Some(mut door) = self.door.take() else { return };
        match door.chance.below(10) {
            0..4 => self.somebody_knocks(&mut door),
            4..7 => self.a_knock_is_answered(&mut door),
            7 => self.somebody_meddles(&mut door),
            _ => {}
        }
        self.those_who_wait_ask(&mut door);
        self.door = Some(door);
    }

    /// Somebody new, or somebody who was here: who waits already, was kept out, or got no answer.
    fn somebody_knocks(&mut self, door: &mut Door) {
        let come = door.strangers.len();
        let index = if come < MOST && door.chance.one_in(2) { come } else { door.chance.index(MOST) };
        if index >= come {
            let member = FIRST + come as u64;
            door.strangers.push(Stranger { member, knock: None, told: None, calls: false, inside: false });
        }
        let index = index.min(come);
        let stranger = &mut door.strangers[index];
        if stranger.inside || stranger.calls {
            return;
        }
        stranger.calls = true;
        door.knocks += 1;
        let id = stranger.member;
        let arrival = Arrival {
            profile: profile(id),
            point: point(id * 100 + 1),
            device: None,
            via: Via::Code,
            approval: true,
            knock: KnockId::new(door.knocks).expect("invariant: positive"),
            origin: Some(Origin(id % ADDRESSES)),
        };
        let sessions = self.process.sessions.clone();
        let knocking = async move {
            let knock = move |state: &faceshare_exec::State| state.knock_of(member(id)).map(|knock| knock.id);
            sessions.propose_and(session_id(), Input::Arrive(Box::new(arrival)), knock).await.map(Answer::Knock)
        };
        self.call_for(Call::Knock(index), knocking);
    }

    /// One of those that wait, or a late one, over HTTP or in the stream.
    fn a_knock_is_answered(&mut self, door: &mut Door) {
        let waiting: Vec<KnockId> = self.ports.store.archive(|archive| archive.state().waiting().map(|knock| knock.id).collect());
        let late = KnockId::new(1 + door.chance.below(door.knocks.max(1))).expect("invariant: positive");
        let knock = if waiting.is_empty() || door.chance.one_in(6) { late } else { door.chance.pick(&waiting) };
        let answer = if door.chance.one_in(3) { KnockAnswer::Deny } else { KnockAnswer::Admit };
        let host = self.ports.store.archive(|archive| archive.state().host());
        let Some(index) = self.clients.iter().position(|c| c.welcomed && c.member == host.get()).filter(|_| door.chance.one_in(2)) else {
            return self.call(Call::Other, Input::AnswerKnock { by: host, knock, answer });
        };
        let knock_id = knock.get();
        let instruction = match answer {
            KnockAnswer::Admit => Instruction::Admit(v1::Admit { knock_id }),
            KnockAnswer::Deny => Instruction::Deny(v1::Deny { knock_id }),
        };
        let nonce = if door.chance.one_in(5) { 0 } else { self.clients[index].point * 1_000 + self.number() };
        self.trace.say(|| format!("{} asks {instruction:?} with nonce {nonce}", self.clients[index]));
        self.clients[index].ask(instruction, nonce);
    }

    /// Somebody who is not the host lets itself, or a friend, in.
    fn somebody_meddles(&mut self, door: &mut Door) {
        let knock = KnockId::new(1 + door.chance.below(door.knocks.max(1))).expect("invariant: positive");
        let host = self.ports.store.archive(|archive| archive.state().host().get());
        let others: Vec<u64> = self.clients.iter().map(|c| c.member).chain([FIRST]).filter(|id| *id != host).collect();
        let by = member(door.chance.pick(&others));
        self.call(Call::Meddling(by.get()), Input::AnswerKnock { by, knock, answer: KnockAnswer::Admit });
    }

    fn those_who_wait_ask(&mut self, door: &mut Door) {
        for (index, stranger) in door.strangers.iter_mut().enumerate() {
            let Some(knock) = stranger.knock.filter(|_| !stranger.calls && !stranger.inside) else { continue };
            stranger.calls = true;
            let sessions = self.process.sessions.clone();
            let asking = async move {
                sessions.await_knock(session_id(), knock).await?;
                sessions.read(session_id(), move |state| state.knock(knock).map(|knock| knock.state)).await.map(Answer::Standing)
            };
            self.call_for(Call::Wait(index), asking);
        }
    }

    /// What a stranger's call came to; `None`: it was refused.
    pub(crate) fn told_at_the_door(&mut self, index: usize, answer: Option<Answer>) -> Verdict {
        let Some(mut door) = self.door.take() else { return Ok(()) };
        let stranger = &mut door.strangers[index];
        stranger.calls = false;
        let verdict = match answer {
            Some(Answer::Knock(Some(knock))) => {
                if stranger.knock != Some(knock) {
                    (stranger.knock, stranger.told) = (Some(knock), None);
                }
                Ok(())
            }
            // It need not wait: it was let in before it asked.
            Some(Answer::Knock(None)) => self.comes_in(stranger),
            Some(Answer::Standing(Some(state))) if state != KnockState::Waiting => self.hears(stranger, state),
            _ => Ok(()),
        };
        self.door = Some(door);
        verdict
    }

    fn hears(&mut self, stranger: &mut Stranger, state: KnockState) -> Verdict {
        let knock = stranger.knock.map_or(0, KnockId::get);
        self.ports.store.archive(|archive| must::invariant_a_knock_ends_as_the_log_says(knock, state, archive))?;
        must::invariant_a_knock_ends_once(stranger.member, stranger.told, state)?;
        stranger.told = Some(state);
        if state == KnockState::Admitted { self.comes_in(stranger) } else { Ok(()) }
    }

    /// From now on it is one of the clients.
    fn comes_in(&mut self, stranger: &mut Stranger) -> Verdict {
        self.ports.store.archive(|archive| must::invariant_nobody_comes_in_past_the_host(stranger.member, archive))?;
        stranger.inside = true;
        let mut client = Client::new(stranger.member, stranger.member * 100 + 1, WireFormat::Proto);
        client.standing = Standing::Out;
        self.clients.push(client);
        self.seat(self.clients.len() - 1, Via::Token);
        Ok(())
    }
}
