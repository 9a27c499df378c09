//! The random steps of a history.

use crate::client::SeatState;
use crate::invariants::{self as must, Verdict};
use crate::process::Process;
use crate::store::StoreMode;
use crate::world::{Call, World, member, title};
use faceshare_api::v1::{self, client_frame::Instruction};
use faceshare_exec::{Input, Patch, Via};
use std::time::Duration;

/// The longest drain.
const DRAIN_MAX: Duration = Duration::from_secs(15);

impl World {
    /// Runs one random action, and lets some time pass.
    pub(crate) async fn step(&mut self) -> Verdict {
        self.step_guests();
        match self.random.below(100) {
            0..20 => self.a_client_connects(),
            20..45 => self.a_client_sends_instructions(),
            45..57 => self.a_client_sends_positions(),
            57..69 => self.a_connection_fails(),
            69..74 => self.a_client_connects_twice(),
            74..84 => self.a_client_calls(),
            84..89 => self.the_store_changes(),
            89..92 => self.crash(),
            92..93 => self.restart().await?,
            93..97 => {
                let jump = self.random.millis(500, 6_000);
                self.pass(jump).await?;
            }
            _ => {}
        }
        let pause = self.random.pick(&[0, 5, 60, 60, 300]);
        self.pass(Duration::from_millis(pause)).await
    }

    /// A random client for which this holds.
    fn random_client(&mut self, holds: impl Fn(&crate::client::Client) -> bool) -> Option<usize> {
        let all: Vec<usize> = (0..self.clients.len())
            .filter(|i| holds(&self.clients[*i]))
            .collect();
        (!all.is_empty()).then(|| all[self.random.index(all.len())])
    }

    fn a_client_connects(&mut self) {
        let Some(index) = self.random_client(|c| c.link.is_none() && c.seat != SeatState::Done)
        else {
            return;
        };
        match self.clients[index].seat {
            SeatState::Seated => self.connect(index),
            _ => {
                let via = if self.random.one_in(2) {
                    Via::Token
                } else {
                    Via::Code
                };
                self.seat(index, via);
            }
        }
    }

    fn a_client_sends_instructions(&mut self) {
        for _ in 0..=self.random.below(3) {
            let Some(index) = self.random_client(|c| c.welcomed) else {
                return;
            };
            let instruction = self.instruction();
            let nonce = if self.random.one_in(5) {
                0
            } else {
                self.clients[index].point * 1_000 + self.number()
            };
            let nonce = if matches!(instruction, Instruction::PointState(_)) {
                0
            } else {
                nonce
            };
            self.trace.log(|| {
                format!(
                    "{} asks {instruction:?} with nonce {nonce}",
                    self.clients[index]
                )
            });
            self.clients[index].send_new_instruction(instruction, nonce);
        }
    }

    fn instruction(&mut self) -> Instruction {
        let member_id = self.clients[self.random.index(self.clients.len())].member;
        match self.random.below(20) {
            0..6 => {
                let invite =
                    1 + i32::from(self.random.one_in(2)) + i32::from(self.random.one_in(5));
                let (lock, presenter) = (
                    i32::from(self.random.one_in(6)) * 2,
                    if self.random.one_in(5) { member_id } else { 0 },
                );
                Instruction::FollowMe(v1::FollowMe {
                    invite,
                    lock,
                    presenter,
                })
            }
            6..8 => Instruction::CancelFollowMe(v1::CancelFollowMe {}),
            8..14 => Instruction::FollowOther(v1::FollowOther { target: member_id }),
            14..17 => Instruction::CancelFollow(v1::CancelFollow {
                suspend: i32::from(self.random.one_in(2)),
            }),
            17 => Instruction::PointState(v1::PointState {
                background: self.random.one_in(2),
            }),
            18 if self.random.one_in(3) => Instruction::Quit(v1::Quit::default()),
            _ => Instruction::CancelAutoEnd(v1::CancelAutoEnd {}),
        }
    }

    /// The first device of a member sends its position, once or in a burst.
    fn a_client_sends_positions(&mut self) {
        let Some(index) = self.random_client(|c| c.welcomed && c.point % 100 == 1) else {
            return;
        };
        let times = self.random.pick(&[1, 1, 3, 12]);
        self.trace
            .log(|| format!("{} moves {times} times", self.clients[index]));
        for _ in 0..times {
            let (key, value) = (self.random.pick(&["view", "pen"]), self.number());
            self.clients[index].update_position(key, value);
        }
    }

    fn a_connection_fails(&mut self) {
        let Some(index) = self.random_client(|c| c.link.is_some()) else {
            return;
        };
        let Some(link) = self.clients[index].link.clone() else {
            return;
        };
        let what = self.random.below(7);
        let client = &mut self.clients[index];
        self.trace
            .log(|| format!("{client}: connection fails in way {what}"));
        match what {
            0 => link.cut(),
            1 => link.silence(),
            2 => {
                link.silence();
                client.disconnect();
            }
            3 => {
                link.disconnect(self.random.millis(0, 5_000));
                client.disconnect();
            }
            4 => link.set_stalled(false),
            _ => link.set_stalled(true),
        }
    }

    fn a_client_connects_twice(&mut self) {
        if let Some(index) = self.random_client(|c| c.welcomed) {
            self.connect(index);
        }
    }

    fn a_client_calls(&mut self) {
        let target = member(self.clients[self.random.index(self.clients.len())].member);
        let host = self.ports.store.archive(|archive| archive.state().host());
        match self.random.below(24) {
            0..12 => {
                let text = format!("title {}", self.number());
                let patch = Patch {
                    title: Some(title(&text)),
                    ..Patch::default()
                };
                self.call(Call::Title(text), Input::Patch { by: host, patch });
            }
            12..15 => {
                let patch = Patch {
                    locked: Some(self.random.one_in(2)),
                    ..Patch::default()
                };
                self.call(Call::Other, Input::Patch { by: host, patch });
            }
            15..18 => {
                let index = self.random.index(self.clients.len());
                self.seat(index, Via::Token);
            }
            18..21 => self.call(Call::Other, Input::HttpQuit { member: target }),
            21..23 => self.call(
                Call::Other,
                Input::Remove {
                    by: host,
                    member: target,
                },
            ),
            _ if self.random.one_in(4) => self.call(Call::Other, Input::End { by: Some(host) }),
            _ => {}
        }
    }

    fn the_store_changes(&mut self) {
        let mode = self.random.pick(&[
            StoreMode::Healthy,
            StoreMode::Healthy,
            StoreMode::Slow,
            StoreMode::Failing,
        ]);
        self.trace.log(|| format!("the store is {mode:?}"));
        self.ports.store.set_mode(mode);
    }

    /// The server drains, stops when everything is answered, and starts again.
    pub(crate) async fn restart(&mut self) -> Verdict {
        self.trace.log(|| "the server drains".to_owned());
        self.ports.store.set_mode(StoreMode::Healthy);
        let sessions = self.process.sessions.clone();
        let closing = tokio::spawn(async move { sessions.close().await });
        let mut waited = Duration::ZERO;
        while !closing.is_finished() && waited < DRAIN_MAX {
            let slice = Duration::from_millis(200);
            // Repeated, because a connection may have been in its handshake.
            self.process.drain();
            self.pass(slice).await?;
            waited += slice;
        }
        must::invariant_nothing_hangs(
            "closes of all sessions",
            usize::from(!closing.is_finished()),
        )?;
        self.pass(Duration::from_millis(10)).await?;
        must::invariant_nothing_hangs("calls to a server that has stopped", self.calls.len())?;
        let next = Process::start(&self.ports, self.settings.clone());
        std::mem::replace(&mut self.process, next).kill();
        Ok(())
    }
}
