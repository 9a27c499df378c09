//! Guests who ask to join: they send a join request, wait, and ask for the outcome; the host
//! answers, and sometimes another member tries to.
//!
//! They take part in two of five histories and use a random generator of their own. So the other
//! histories are the same as without them, and a seed that found a fault remains valid.

use crate::client::{Client, SeatState};
use crate::invariants::{self as must, Verdict};
use crate::ports::session_id;
use crate::random::Random;
use crate::world::{Call, CallAnswer, World, member, point, profile};
use faceshare_api::v1::{self, client_frame::Instruction};
use faceshare_biz::domain::KnockId;
use faceshare_biz::domain::instruction::{KnockState, Origin, WireFormat};
use faceshare_exec::{Arrival, Input, KnockAnswer, Via};

/// Members from this id on join by request.
const FIRST_GUEST: u64 = 50;
/// The most guests in one history.
const GUESTS_MAX: usize = 8;
/// The number of addresses that they share.
const ADDRESSES: u64 = 3;

/// A guest who asks to join.
#[derive(Debug)]
pub(crate) struct JoinGuest {
    member: u64,
    /// The join request that it waits for, or waited for last.
    knock: Option<KnockId>,
    /// The outcome that it received.
    outcome: Option<KnockState>,
    /// Whether a call of its own is in progress.
    call_in_progress: bool,
    /// Whether it was admitted and is one of the clients.
    admitted: bool,
}

/// All guests of one history.
#[derive(Debug)]
pub(crate) struct JoinGuests {
    random: Random,
    all: Vec<JoinGuest>,
    knocks: u64,
}

impl JoinGuests {
    /// The guests of this history; `None` if it has none.
    pub(crate) fn of(seed: u64) -> Option<Self> {
        (seed % 5 < 2).then(|| Self {
            random: Random::new(!seed),
            all: Vec::new(),
            knocks: 0,
        })
    }

    /// Forgets calls to a server that was killed: their outcome is unknown, and they are made
    /// again.
    pub(crate) fn abandon_calls(&mut self) {
        self.all
            .iter_mut()
            .for_each(|guest| guest.call_in_progress = false);
    }
}

impl World {
    /// Runs the guests' actions before the next step.
    pub(crate) fn step_guests(&mut self) {
        let Some(mut guests) = self.guests.take() else {
            return;
        };
        match guests.random.below(10) {
            0..4 => self.a_guest_asks_to_join(&mut guests),
            4..7 => self.a_knock_is_answered(&mut guests),
            7 => self.a_member_answers_without_permission(&mut guests),
            _ => {}
        }
        self.waiting_guests_ask(&mut guests);
        self.guests = Some(guests);
    }

    /// A guest asks to join: a new one, or one that waits, was denied, or got no answer.
    fn a_guest_asks_to_join(&mut self, guests: &mut JoinGuests) {
        let count = guests.all.len();
        let index = if count < GUESTS_MAX && guests.random.one_in(2) {
            count
        } else {
            guests.random.index(GUESTS_MAX)
        };
        if index >= count {
            let member = FIRST_GUEST + count as u64;
            guests.all.push(JoinGuest {
                member,
                knock: None,
                outcome: None,
                call_in_progress: false,
                admitted: false,
            });
        }
        let index = index.min(count);
        let guest = &mut guests.all[index];
        if guest.admitted || guest.call_in_progress {
            return;
        }
        guest.call_in_progress = true;
        guests.knocks += 1;
        let id = guest.member;
        let arrival = Arrival {
            profile: profile(id),
            point: point(id * 100 + 1),
            device: None,
            via: Via::Code,
            approval: true,
            knock: KnockId::new(guests.knocks).expect("invariant: positive"),
            origin: Some(Origin(id % ADDRESSES)),
        };
        let sessions = self.process.sessions.clone();
        let knocking = async move {
            let knock = move |state: &faceshare_exec::State| {
                state.knock_of(member(id)).map(|knock| knock.id)
            };
            sessions
                .propose_and(session_id(), Input::Arrive(Box::new(arrival)), knock)
                .await
                .map(CallAnswer::Knock)
        };
        self.call_for(Call::Knock(index), knocking);
    }

    /// The host answers a join request, usually a waiting one, over HTTP or in the stream.
    fn a_knock_is_answered(&mut self, guests: &mut JoinGuests) {
        let waiting: Vec<KnockId> = self
            .ports
            .store
            .archive(|archive| archive.state().waiting().map(|knock| knock.id).collect());
        let late = KnockId::new(1 + guests.random.below(guests.knocks.max(1)))
            .expect("invariant: positive");
        let knock = if waiting.is_empty() || guests.random.one_in(6) {
            late
        } else {
            guests.random.pick(&waiting)
        };
        let answer = if guests.random.one_in(3) {
            KnockAnswer::Deny
        } else {
            KnockAnswer::Admit
        };
        let host = self.ports.store.archive(|archive| archive.state().host());
        let Some(index) = self
            .clients
            .iter()
            .position(|c| c.welcomed && c.member == host.get())
            .filter(|_| guests.random.one_in(2))
        else {
            return self.call(
                Call::Other,
                Input::AnswerKnock {
                    by: host,
                    knock,
                    answer,
                },
            );
        };
        let knock_id = knock.get();
        let instruction = match answer {
            KnockAnswer::Admit => Instruction::Admit(v1::Admit { knock_id }),
            KnockAnswer::Deny => Instruction::Deny(v1::Deny { knock_id }),
        };
        let nonce = if guests.random.one_in(5) {
            0
        } else {
            self.clients[index].point * 1_000 + self.number()
        };
        self.trace.log(|| {
            format!(
                "{} asks {instruction:?} with nonce {nonce}",
                self.clients[index]
            )
        });
        self.clients[index].send_new_instruction(instruction, nonce);
    }

    /// A member that is not the host tries to admit itself or another guest.
    fn a_member_answers_without_permission(&mut self, guests: &mut JoinGuests) {
        let knock = KnockId::new(1 + guests.random.below(guests.knocks.max(1)))
            .expect("invariant: positive");
        let host = self
            .ports
            .store
            .archive(|archive| archive.state().host().get());
        let others: Vec<u64> = self
            .clients
            .iter()
            .map(|c| c.member)
            .chain([FIRST_GUEST])
            .filter(|id| *id != host)
            .collect();
        let by = member(guests.random.pick(&others));
        self.call(
            Call::Unauthorized(by.get()),
            Input::AnswerKnock {
                by,
                knock,
                answer: KnockAnswer::Admit,
            },
        );
    }

    fn waiting_guests_ask(&mut self, guests: &mut JoinGuests) {
        for (index, guest) in guests.all.iter_mut().enumerate() {
            let Some(knock) = guest
                .knock
                .filter(|_| !guest.call_in_progress && !guest.admitted)
            else {
                continue;
            };
            guest.call_in_progress = true;
            let sessions = self.process.sessions.clone();
            let asking = async move {
                sessions.await_knock(session_id(), knock).await?;
                sessions
                    .read(session_id(), move |state| {
                        state.knock(knock).map(|knock| knock.state)
                    })
                    .await
                    .map(CallAnswer::KnockState)
            };
            self.call_for(Call::Wait(index), asking);
        }
    }

    /// Processes the answer to a guest's call; `None` if it was refused.
    pub(crate) fn join_call_answered(
        &mut self,
        index: usize,
        answer: Option<CallAnswer>,
    ) -> Verdict {
        let Some(mut guests) = self.guests.take() else {
            return Ok(());
        };
        let guest = &mut guests.all[index];
        guest.call_in_progress = false;
        let verdict = match answer {
            Some(CallAnswer::Knock(Some(knock))) => {
                if guest.knock != Some(knock) {
                    (guest.knock, guest.outcome) = (Some(knock), None);
                }
                Ok(())
            }
            // No request is pending: the guest was admitted before it asked.
            Some(CallAnswer::Knock(None)) => self.admit(guest),
            Some(CallAnswer::KnockState(Some(state))) if state != KnockState::Waiting => {
                self.receive_outcome(guest, state)
            }
            _ => Ok(()),
        };
        self.guests = Some(guests);
        verdict
    }

    fn receive_outcome(&mut self, guest: &mut JoinGuest, state: KnockState) -> Verdict {
        let knock = guest.knock.map_or(0, KnockId::get);
        self.ports.store.archive(|archive| {
            must::invariant_a_knock_ends_as_the_log_says(knock, state, archive)
        })?;
        must::invariant_a_knock_ends_once(guest.member, guest.outcome, state)?;
        guest.outcome = Some(state);
        if state == KnockState::Admitted {
            self.admit(guest)
        } else {
            Ok(())
        }
    }

    /// The guest becomes one of the clients.
    fn admit(&mut self, guest: &mut JoinGuest) -> Verdict {
        self.ports
            .store
            .archive(|archive| must::invariant_only_admitted_guests_join(guest.member, archive))?;
        guest.admitted = true;
        let mut client = Client::new(guest.member, guest.member * 100 + 1, WireFormat::Proto);
        client.seat = SeatState::Out;
        self.clients.push(client);
        self.seat(self.clients.len() - 1, Via::Token);
        Ok(())
    }
}
