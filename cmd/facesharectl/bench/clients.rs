//! Everybody who takes part: rooms, members, their connections, and the loop that serves them all.

mod arrive;
mod hear;

use super::frame;
use super::http::Pool;
use super::net::{Got, Happened, Net, Role};
use super::pace::nanos;
use super::progress::Progress;
use super::tally::{Followed, Tally};
use super::wire::{Position, say};
use crate::text::now_millis;
use anyhow::{Context as _, Result, bail};
use faceshare_api::v1::client_frame::Instruction as Say;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Calls of HTTP at once.
const CALLS: usize = 32;
/// Streams that are being opened at once.
pub(super) const OPENING: usize = 128;
/// Between two looks at what is due, while much arrives.
const EVENTS_PER_LOOK: usize = 32;
/// The longest wait: progress is shown at least this often.
const TICK: u64 = 50_000_000;

/// Which kind of server is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Target {
    /// The real one.
    Faceshare,
    /// One that broadcasts what a sender sends into `/room/<n>`, and nothing else.
    Floor,
}

/// How far a member has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Nobody,
    /// Has an access token.
    Guest,
    /// Has a session token.
    Admitted,
    /// Has been welcomed; a host that presents has been heard.
    Connected,
}

/// One member with one connection.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) room: usize,
    pub(super) host: bool,
    pub(super) stage: Stage,
    /// How far to go without being asked again.
    pub(super) goal: Stage,
    /// A step is under way.
    busy: bool,
    access: String,
    session_token: String,
    pub(super) link: Option<usize>,
    pub(super) id: u64,
    pub(super) epoch: String,
    /// The last ordered frame seen.
    pub(super) seq: u32,
    /// Where it came back to: what a resume has to bring it to.
    pub(super) head: u32,
    pub(super) resumed: bool,
    pub(super) followed: Followed,
    /// When it should have begun to come, for the latency of coming; none when nobody asks.
    pub(super) due: Option<u64>,
    /// Instructions without an answer, and when they were due.
    pub(super) unanswered: VecDeque<(u32, u64)>,
    /// Counts its instructions.
    pub(super) said: u32,
}

/// A session, and what its presenter has sent.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) group: usize,
    /// Its members; the first is the host.
    pub(super) members: Range<usize>,
    code: Option<String>,
    pub(super) sent: Vec<u64>,
}

/// Rooms that are alike and measured together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) rooms: usize,
    pub(super) members: usize,
    /// Keys that the presenter uses.
    pub(super) keys: usize,
    /// Whether the host presents, with everybody following.
    pub(super) present: bool,
}

/// Does what is due.
pub(super) trait Plan {
    /// When the next thing is due.
    fn next(&self) -> Option<u64>;
    /// Does all that is due by now.
    fn act(&mut self, crowd: &mut Crowd, now: u64) -> Result<()>;
}

/// Nothing is due, ever.
pub(super) struct Listen;

impl Plan for Listen {
    fn next(&self) -> Option<u64> {
        None
    }

    fn act(&mut self, _crowd: &mut Crowd, _now: u64) -> Result<()> {
        Ok(())
    }
}

/// Everybody.
pub(super) struct Crowd {
    net: Net,
    pool: Pool,
    target: Target,
    host: String,
    started: Instant,
    pub(super) rooms: Vec<Room>,
    pub(super) members: Vec<Member>,
    present: Vec<bool>,
    to_open: VecDeque<usize>,
    opening: usize,
    /// Streams that may be opened at once.
    pub(super) opening_at_once: usize,
    pub(super) connected: usize,
    /// While the connections are let go on purpose, ends are no faults.
    pub(super) letting_go: bool,
    pub(super) tally: Tally,
    scratch: (Vec<u8>, Vec<u8>),
}

impl Crowd {
    /// Nobody has come yet.
    pub(super) fn new(target: Target, server: SocketAddr, host: String, groups: &[Group]) -> Result<Self> {
        let mut crowd = Self {
            net: Net::new(server)?,
            pool: Pool { waiting: VecDeque::new(), places: (0..CALLS).map(|_| (None, None)).collect() },
            target,
            host,
            started: Instant::now(),
            rooms: Vec::new(),
            members: Vec::new(),
            present: groups.iter().map(|group| group.present).collect(),
            to_open: VecDeque::new(),
            opening: 0,
            opening_at_once: OPENING,
            connected: 0,
            letting_go: false,
            tally: Tally::new(groups.len())?,
            scratch: (Vec::new(), Vec::new()),
        };
        for (number, group) in groups.iter().enumerate() {
            for _ in 0..group.rooms {
                crowd.add_room(number, *group);
            }
        }
        Ok(crowd)
    }

    fn add_room(&mut self, number: usize, group: Group) {
        let (room, first) = (self.rooms.len(), self.members.len());
        self.rooms.push(Room { group: number, members: first..first + group.members, code: None, sent: vec![0; group.keys] });
        self.members.extend((0..group.members).map(|place| Member {
            room,
            host: place == 0,
            stage: Stage::Nobody,
            goal: Stage::Nobody,
            busy: false,
            access: String::new(),
            session_token: String::new(),
            link: None,
            id: 0,
            epoch: String::new(),
            seq: 0,
            head: 0,
            resumed: false,
            followed: Followed::new(group.keys),
            due: None,
            unanswered: VecDeque::new(),
            said: 0,
        }));
    }

    /// Nanoseconds since the generator started: the one clock of all that is measured.
    pub(super) fn now(&self) -> u64 {
        nanos(self.started.elapsed())
    }

    /// Sends a burst of positions of a room's presenter, one for each of its first `burst` keys.
    pub(super) fn show(&mut self, room: usize, burst: usize, due: u64) {
        let presenter = self.rooms[room].members.start;
        let Some(link) = self.members[presenter].link else { return };
        let number = u32::try_from(room).unwrap_or(u32::MAX);
        let (message, frames) = &mut self.scratch;
        frames.clear();
        for (key, count) in self.rooms[room].sent.iter_mut().enumerate().take(burst) {
            *count += 1;
            let position = Position { room: number, key: u8::try_from(key).unwrap_or(u8::MAX), due, number: *count };
            message.clear();
            match self.target {
                Target::Faceshare => position.said(TERM, message),
                Target::Floor => position.passed_on(TERM, now_millis(), message),
            }
            frame::write(frames, frame::BINARY, message);
            self.tally.sent += 1;
        }
        self.net.send(link, frames);
        let now = self.now();
        self.tally.late(due, now);
    }

    /// Sends one frame of a member.
    pub(super) fn send(&mut self, member: usize, message: &[u8]) {
        let Some(link) = self.members[member].link else { return };
        let frames = &mut self.scratch.1;
        frames.clear();
        frame::write(frames, frame::BINARY, message);
        self.net.send(link, frames);
    }

    /// Sends an instruction that is to be answered once, and to take effect once.
    pub(super) fn instruct(&mut self, member: usize, instruction: Say, due: u64) {
        let one = &mut self.members[member];
        one.said += 1;
        one.unanswered.push_back((one.said, due));
        let message = say(one.said, u64::from(one.said), instruction);
        self.send(member, &message);
        let now = self.now();
        self.tally.late(due, now);
    }

    /// Serves everybody until `until`, or until `done`; gives whether it was done.
    pub(super) fn run(&mut self, plan: &mut dyn Plan, until: u64, mut done: impl FnMut(&Self) -> bool) -> Result<bool> {
        let (mut events, mut happened) = (Net::events(), Vec::new());
        loop {
            let now = self.now();
            if plan.next().is_some_and(|due| due <= now) {
                plan.act(self, now)?;
            }
            self.go_on()?;
            if done(self) {
                return Ok(true);
            }
            let now = self.now();
            if now >= until {
                return Ok(false);
            }
            let next = plan.next().unwrap_or(u64::MAX).min(until).min(now + TICK);
            self.net.wait(&mut events, &mut happened, Duration::from_nanos(next.saturating_sub(now)))?;
            for some in happened.chunks(EVENTS_PER_LOOK) {
                for one in some {
                    self.serve(*one)?;
                }
                let now = self.now();
                if plan.next().is_some_and(|due| due <= now) {
                    plan.act(self, now)?;
                }
            }
        }
    }

    /// Serves everybody for a while.
    pub(super) fn run_for(&mut self, plan: &mut dyn Plan, stage: &'static str, until: u64) -> Result<()> {
        let begin = self.now();
        let progress = Progress::new(stage, until.saturating_sub(begin) / 1_000_000_000);
        let mut shown = 0;
        self.run(plan, until, |crowd| {
            let now = crowd.now();
            if now >= shown {
                shown = now + nanos(Progress::STEP);
                progress.at((now - begin) / 1_000_000_000);
            }
            false
        })?;
        Ok(())
    }

    /// Serves everybody until `count` reaches `total`.
    ///
    /// # Errors
    /// When that takes longer than `at_most`.
    pub(super) fn run_until(
        &mut self,
        plan: &mut dyn Plan,
        stage: &'static str,
        total: usize,
        at_most: Duration,
        count: impl Fn(&Self) -> usize,
    ) -> Result<()> {
        let progress = Progress::new(stage, total as u64);
        let (mut shown, until) = (0, self.now() + nanos(at_most));
        let all = self.run(plan, until, |crowd| {
            let now = crowd.now();
            if now < shown && total < 100_000 {
                return count(crowd) >= total;
            }
            shown = now + nanos(Progress::STEP);
            progress.at(count(crowd) as u64);
            count(crowd) >= total
        })?;
        if !all {
            let why = self.tally.first_fault.as_deref().unwrap_or("nothing was refused");
            bail!("{stage}: {} of {total} after {} s ({why})", count(self), at_most.as_secs());
        }
        Ok(())
    }

    fn serve(&mut self, happened: Happened) -> Result<()> {
        if happened.writable {
            self.net.flush(happened.link);
        }
        if !happened.readable {
            return Ok(());
        }
        let mut buffer = std::mem::take(&mut self.net.buffer);
        let outcome = loop {
            match self.net.read(happened.link, &mut buffer) {
                Got::Nothing => break Ok(()),
                Got::End => break self.ended(happened.link),
                Got::Bytes(count) => {
                    if let Err(error) = self.take(happened.link, &buffer[..count]) {
                        break Err(error);
                    }
                    // A read that did not fill the buffer has emptied the socket.
                    if count < buffer.len() {
                        break Ok(());
                    }
                }
            }
        };
        self.net.buffer = buffer;
        outcome
    }

    /// Takes what came, behind what was left over.
    fn take(&mut self, slot: usize, bytes: &[u8]) -> Result<()> {
        let Some(link) = self.net.link(slot) else { return Ok(()) };
        let role = link.role;
        if link.unread.is_empty() {
            let used = self.consume(slot, role, bytes)?;
            if used < bytes.len()
                && let Some(link) = self.net.link(slot)
            {
                link.unread.extend_from_slice(&bytes[used..]);
            }
            return Ok(());
        }
        let mut all = std::mem::take(&mut link.unread);
        all.extend_from_slice(bytes);
        let used = self.consume(slot, role, &all)?;
        if let Some(link) = self.net.link(slot) {
            all.drain(..used);
            if all.is_empty() && all.capacity() > 4096 {
                all = Vec::new();
            }
            link.unread = all;
        }
        Ok(())
    }

    /// Gives how much of it was whole.
    fn consume(&mut self, slot: usize, role: Role, bytes: &[u8]) -> Result<usize> {
        match role {
            Role::Http(place) => self.answered(place, bytes),
            Role::Opening(member) => {
                let used = self.opened(slot, member, bytes)?;
                if used == 0 { Ok(0) } else { Ok(used + self.hear(slot, member, &bytes[used..])?) }
            }
            Role::Stream(member) => self.hear(slot, member, bytes),
        }
    }

    fn ended(&mut self, slot: usize) -> Result<()> {
        let Some(link) = self.net.link(slot) else { return Ok(()) };
        let role = link.role;
        self.net.drop_link(slot);
        match role {
            Role::Http(place) => {
                let (link, call) = self.pool.places.get_mut(place).context("invariant: a place of the pool")?;
                *link = None;
                if let Some(call) = call.take() {
                    self.pool.waiting.push_front(call);
                }
            }
            Role::Opening(member) | Role::Stream(member) => self.gone(member, role),
        }
        Ok(())
    }

    fn gone(&mut self, member: usize, role: Role) {
        let opening = matches!(role, Role::Opening(_)) || self.members[member].stage < Stage::Connected;
        let member = &mut self.members[member];
        member.link = None;
        if opening {
            self.opening = self.opening.saturating_sub(1);
            member.busy = false;
        } else {
            self.connected -= 1;
            member.stage = Stage::Admitted;
        }
        if !self.letting_go {
            // It does not come back by itself: that it was lost is the finding.
            member.goal = member.stage.min(Stage::Guest);
            self.tally.faults.disconnected += 1;
            self.tally.fault(|| "the server closed a connection".to_owned());
        }
    }

    /// Lets a member's connection go without a word, as a train in a tunnel does.
    pub(super) fn cut(&mut self, member: usize) {
        if let Some(slot) = self.members[member].link.take() {
            self.net.drop_link(slot);
            if self.members[member].stage == Stage::Connected {
                self.connected -= 1;
            }
            self.members[member].stage = Stage::Admitted;
            self.members[member].goal = Stage::Admitted;
        }
    }
}

/// A session's first presenting.
pub(super) const TERM: u32 = 1;
