//! What may happen next.

use crate::client::Standing;
use crate::invariants::{self as must, Verdict};
use crate::process::Process;
use crate::store::Mood;
use crate::world::{Call, World, member, title};
use faceshare_api::v1::{self, client_frame::Instruction};
use faceshare_exec::{Input, Patch, Via};
use std::time::Duration;

/// A drain is over after this at the latest.
const DRAIN: Duration = Duration::from_secs(15);

impl World {
    /// One thing happens, and some time passes.
    pub(crate) async fn step(&mut self) -> Verdict {
        self.at_the_door();
        match self.chance.below(100) {
            0..20 => self.somebody_connects(),
            20..45 => self.somebody_asks(),
            45..57 => self.somebody_moves(),
            57..69 => self.a_line_fails(),
            69..74 => self.somebody_connects_twice(),
            74..84 => self.somebody_calls(),
            84..89 => self.the_store_changes(),
            89..92 => self.crash(),
            92..93 => self.restart().await?,
            93..97 => {
                let jump = self.chance.millis(500, 6_000);
                self.pass(jump).await?;
            }
            _ => {}
        }
        let pause = self.chance.pick(&[0, 5, 60, 60, 300]);
        self.pass(Duration::from_millis(pause)).await
    }

    /// One of those that this holds for.
    fn one(&mut self, holds: impl Fn(&crate::client::Client) -> bool) -> Option<usize> {
        let all: Vec<usize> = (0..self.clients.len()).filter(|i| holds(&self.clients[*i])).collect();
        (!all.is_empty()).then(|| all[self.chance.index(all.len())])
    }

    fn somebody_connects(&mut self) {
        let Some(index) = self.one(|c| c.link.is_none() && c.standing != Standing::Done) else { return };
        match self.clients[index].standing {
            Standing::Seated => self.connect(index),
            _ => {
                let via = if self.chance.one_in(2) { Via::Token } else { Via::Code };
                self.seat(index, via);
            }
        }
    }

    fn somebody_asks(&mut self) {
        for _ in 0..=self.chance.below(3) {
            let Some(index) = self.one(|c| c.welcomed) else { return };
            let instruction = self.instruction();
            let nonce = if self.chance.one_in(5) { 0 } else { self.clients[index].point * 1_000 + self.number() };
            let nonce = if matches!(instruction, Instruction::PointState(_)) { 0 } else { nonce };
            self.trace.say(|| format!("{} asks {instruction:?} with nonce {nonce}", self.clients[index]));
            self.clients[index].ask(instruction, nonce);
        }
    }

    fn instruction(&mut self) -> Instruction {
        let somebody = self.clients[self.chance.index(self.clients.len())].member;
        match self.chance.below(20) {
            0..6 => {
                let invite = 1 + i32::from(self.chance.one_in(2)) + i32::from(self.chance.one_in(5));
                let (lock, presenter) = (i32::from(self.chance.one_in(6)) * 2, if self.chance.one_in(5) { somebody } else { 0 });
                Instruction::FollowMe(v1::FollowMe { invite, lock, presenter })
            }
            6..8 => Instruction::CancelFollowMe(v1::CancelFollowMe {}),
            8..14 => Instruction::FollowOther(v1::FollowOther { target: somebody }),
            14..17 => Instruction::CancelFollow(v1::CancelFollow { suspend: i32::from(self.chance.one_in(2)) }),
            17 => Instruction::PointState(v1::PointState { background: self.chance.one_in(2) }),
            18 if self.chance.one_in(3) => Instruction::Quit(v1::Quit::default()),
            _ => Instruction::CancelAutoEnd(v1::CancelAutoEnd {}),
        }
    }

    /// The first device of a member shows where it is, once or in a burst.
    fn somebody_moves(&mut self) {
        let Some(index) = self.one(|c| c.welcomed && c.point % 100 == 1) else { return };
        let times = self.chance.pick(&[1, 1, 3, 12]);
        self.trace.say(|| format!("{} moves {times} times", self.clients[index]));
        for _ in 0..times {
            let (key, value) = (self.chance.pick(&["view", "pen"]), self.number());
            self.clients[index].show(key, value);
        }
    }

    fn a_line_fails(&mut self) {
        let Some(index) = self.one(|c| c.link.is_some()) else { return };
        let Some(link) = self.clients[index].link.clone() else { return };
        let what = self.chance.below(7);
        let client = &mut self.clients[index];
        self.trace.say(|| format!("{client}: line fails in way {what}"));
        match what {
            0 => link.cut(),
            1 => link.silence(),
            2 => {
                link.silence();
                client.disconnect();
            }
            3 => {
                link.hang_up(self.chance.millis(0, 5_000));
                client.disconnect();
            }
            4 => link.set_stalled(false),
            _ => link.set_stalled(true),
        }
    }

    fn somebody_connects_twice(&mut self) {
        if let Some(index) = self.one(|c| c.welcomed) {
            self.connect(index);
        }
    }

    fn somebody_calls(&mut self) {
        let who = member(self.clients[self.chance.index(self.clients.len())].member);
        let host = self.ports.store.archive(|archive| archive.state().host());
        match self.chance.below(24) {
            0..12 => {
                let text = format!("title {}", self.number());
                let patch = Patch { title: Some(title(&text)), ..Patch::default() };
                self.call(Call::Title(text), Input::Patch { by: host, patch });
            }
            12..15 => {
                let patch = Patch { locked: Some(self.chance.one_in(2)), ..Patch::default() };
                self.call(Call::Other, Input::Patch { by: host, patch });
            }
            15..18 => {
                let index = self.chance.index(self.clients.len());
                self.seat(index, Via::Token);
            }
            18..21 => self.call(Call::Other, Input::HttpQuit { member: who }),
            21..23 => self.call(Call::Other, Input::Remove { by: host, member: who }),
            _ if self.chance.one_in(4) => self.call(Call::Other, Input::End { by: Some(host) }),
            _ => {}
        }
    }

    fn the_store_changes(&mut self) {
        let mood = self.chance.pick(&[Mood::Well, Mood::Well, Mood::Slow, Mood::Failing]);
        self.trace.say(|| format!("the store is {mood:?}"));
        self.ports.store.set_mood(mood);
    }

    /// The server drains, stops when all is answered, and starts anew.
    pub(crate) async fn restart(&mut self) -> Verdict {
        self.trace.say(|| "the server drains".to_owned());
        self.ports.store.set_mood(Mood::Well);
        let sessions = self.process.sessions.clone();
        let closing = tokio::spawn(async move { sessions.close().await });
        let mut waited = Duration::ZERO;
        while !closing.is_finished() && waited < DRAIN {
            let slice = Duration::from_millis(200);
            // Again and again: a connection may have been on its way in.
            self.process.drain();
            self.pass(slice).await?;
            waited += slice;
        }
        must::invariant_nothing_hangs("closes of all sessions", usize::from(!closing.is_finished()))?;
        self.pass(Duration::from_millis(10)).await?;
        must::invariant_nothing_hangs("calls to a server that has stopped", self.calls.len())?;
        let next = Process::start(&self.ports, self.settings.clone());
        std::mem::replace(&mut self.process, next).kill();
        Ok(())
    }
}
