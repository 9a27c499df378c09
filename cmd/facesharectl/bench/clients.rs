//! All simulated clients: rooms, members, their connections, and the event loop that serves them.

mod connect;
mod receive;

use super::connections::{Connections, ReadOutcome, Readiness, Role};
use super::frame;
use super::http::Pool;
use super::measurements::{Measurements, ReceivedPositions};
use super::progress::Progress;
use super::schedule::nanos;
use super::wire::{Position, client_frame};
use crate::text::now_millis;
use anyhow::{Context as _, Result, bail};
use faceshare_api::v1::client_frame::Instruction as ClientInstruction;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Concurrent HTTP calls.
const CONCURRENT_CALLS: usize = 32;
/// Streams that are opened concurrently.
pub(super) const CONCURRENT_OPENS: usize = 128;
/// Events that are processed between two checks of the schedule.
const EVENTS_PER_CHECK: usize = 32;
/// The longest wait in nanoseconds, so that progress is shown at least this often.
const LONGEST_WAIT: u64 = 50_000_000;

/// The kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Target {
    /// A faceshare server.
    Faceshare,
    /// A baseline that only broadcasts what a sender sends into `/room/<n>`.
    Floor,
}

/// How far a member's set-up has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MemberState {
    /// No request was sent.
    Idle,
    /// The member has an access token.
    Guest,
    /// The member has a session token.
    Admitted,
    /// The member has received `welcome`; a presenting host also the answer to `followMe`.
    Connected,
}

/// One member with one connection.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) room: usize,
    pub(super) host: bool,
    pub(super) state: MemberState,
    /// The state to reach without further calls.
    pub(super) goal: MemberState,
    /// Whether a step of the set-up is in progress.
    busy: bool,
    access: String,
    session_token: String,
    pub(super) connection: Option<usize>,
    pub(super) id: u64,
    pub(super) epoch: String,
    /// Seq of the last received ordered frame.
    pub(super) seq: u32,
    /// The head seq of the last `welcome`, which a resume has to reach.
    pub(super) head: u32,
    pub(super) resumed: bool,
    pub(super) received: ReceivedPositions,
    /// When it should have begun to connect, for the latency of joining; `None` if that is not
    /// measured.
    pub(super) due: Option<u64>,
    /// Ids of unanswered instructions, with the time at which they were due.
    pub(super) unanswered: VecDeque<(u32, u64)>,
    /// Id of its last instruction.
    pub(super) last_instruction: u32,
}

/// A session, and the number of positions that its presenter has sent for each key.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) group: usize,
    /// Indices of its members; the first one is the host.
    pub(super) members: Range<usize>,
    code: Option<String>,
    pub(super) sent: Vec<u64>,
}

/// Rooms with the same settings, which are measured together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) rooms: usize,
    pub(super) members: usize,
    /// Number of keys that the presenter uses.
    pub(super) keys: usize,
    /// Whether the host presents and the others follow.
    pub(super) present: bool,
}

/// A schedule of actions.
pub(super) trait Plan {
    /// When the next action is due, in nanoseconds since the start.
    fn next(&self) -> Option<u64>;
    /// Runs all actions that are due.
    fn act(&mut self, clients: &mut Clients, now: u64) -> Result<()>;
}

/// A plan without actions.
pub(super) struct NoPlan;

impl Plan for NoPlan {
    fn next(&self) -> Option<u64> {
        None
    }

    fn act(&mut self, _crowd: &mut Clients, _now: u64) -> Result<()> {
        Ok(())
    }
}

/// All simulated clients.
pub(super) struct Clients {
    net: Connections,
    pool: Pool,
    target: Target,
    host: String,
    started: Instant,
    pub(super) rooms: Vec<Room>,
    pub(super) members: Vec<Member>,
    present: Vec<bool>,
    open_queue: VecDeque<usize>,
    opening: usize,
    /// Streams that may be opened concurrently.
    pub(super) concurrent_opens: usize,
    pub(super) connected: usize,
    /// Set while connections are closed on purpose: then their end is not a fault.
    pub(super) closing: bool,
    pub(super) measurements: Measurements,
    scratch: (Vec<u8>, Vec<u8>),
}

impl Clients {
    /// Creates the rooms; no member is connected.
    pub(super) fn new(
        target: Target,
        server: SocketAddr,
        host: String,
        groups: &[Group],
    ) -> Result<Self> {
        let mut clients = Self {
            net: Connections::new(server)?,
            pool: Pool {
                waiting: VecDeque::new(),
                slots: (0..CONCURRENT_CALLS).map(|_| (None, None)).collect(),
            },
            target,
            host,
            started: Instant::now(),
            rooms: Vec::new(),
            members: Vec::new(),
            present: groups.iter().map(|group| group.present).collect(),
            open_queue: VecDeque::new(),
            opening: 0,
            concurrent_opens: CONCURRENT_OPENS,
            connected: 0,
            closing: false,
            measurements: Measurements::new(groups.len())?,
            scratch: (Vec::new(), Vec::new()),
        };
        for (number, group) in groups.iter().enumerate() {
            for _ in 0..group.rooms {
                clients.add_room(number, *group);
            }
        }
        Ok(clients)
    }

    fn add_room(&mut self, number: usize, group: Group) {
        let (room, first) = (self.rooms.len(), self.members.len());
        self.rooms.push(Room {
            group: number,
            members: first..first + group.members,
            code: None,
            sent: vec![0; group.keys],
        });
        self.members.extend((0..group.members).map(|index| Member {
            room,
            host: index == 0,
            state: MemberState::Idle,
            goal: MemberState::Idle,
            busy: false,
            access: String::new(),
            session_token: String::new(),
            connection: None,
            id: 0,
            epoch: String::new(),
            seq: 0,
            head: 0,
            resumed: false,
            received: ReceivedPositions::new(group.keys),
            due: None,
            unanswered: VecDeque::new(),
            last_instruction: 0,
        }));
    }

    /// Nanoseconds since the generator started: the clock of all measurements.
    pub(super) fn now(&self) -> u64 {
        nanos(self.started.elapsed())
    }

    /// Sends a burst of positions from a room's presenter, one for each of its first `burst` keys.
    pub(super) fn send_positions(&mut self, room: usize, burst: usize, due: u64) {
        let presenter = self.rooms[room].members.start;
        let Some(connection) = self.members[presenter].connection else {
            return;
        };
        let number = u32::try_from(room).unwrap_or(u32::MAX);
        let (message, frames) = &mut self.scratch;
        frames.clear();
        for (key, count) in self.rooms[room].sent.iter_mut().enumerate().take(burst) {
            *count += 1;
            let position = Position {
                room: number,
                key: u8::try_from(key).unwrap_or(u8::MAX),
                due,
                number: *count,
            };
            message.clear();
            match self.target {
                Target::Faceshare => position.encode_client_frame(TERM, message),
                Target::Floor => position.encode_server_frame(TERM, now_millis(), message),
            }
            frame::write(frames, frame::BINARY, message);
            self.measurements.sent += 1;
        }
        self.net.send(connection, frames);
        let now = self.now();
        self.measurements.record_lateness(due, now);
    }

    /// Sends one frame from a member.
    pub(super) fn send(&mut self, member: usize, message: &[u8]) {
        let Some(connection) = self.members[member].connection else {
            return;
        };
        let frames = &mut self.scratch.1;
        frames.clear();
        frame::write(frames, frame::BINARY, message);
        self.net.send(connection, frames);
    }

    /// Sends an instruction that must be answered once.
    pub(super) fn send_instruction(
        &mut self,
        member: usize,
        instruction: ClientInstruction,
        due: u64,
    ) {
        let one = &mut self.members[member];
        one.last_instruction += 1;
        one.unanswered.push_back((one.last_instruction, due));
        let message = client_frame(
            one.last_instruction,
            u64::from(one.last_instruction),
            instruction,
        );
        self.send(member, &message);
        let now = self.now();
        self.measurements.record_lateness(due, now);
    }

    /// Runs the event loop until the time `until`, or until `done` holds; returns whether it did.
    pub(super) fn run(
        &mut self,
        plan: &mut dyn Plan,
        until: u64,
        mut done: impl FnMut(&Self) -> bool,
    ) -> Result<bool> {
        let (mut events, mut ready) = (Connections::events(), Vec::new());
        loop {
            let now = self.now();
            if plan.next().is_some_and(|due| due <= now) {
                plan.act(self, now)?;
            }
            self.start_queued()?;
            if done(self) {
                return Ok(true);
            }
            let now = self.now();
            if now >= until {
                return Ok(false);
            }
            let next = plan
                .next()
                .unwrap_or(u64::MAX)
                .min(until)
                .min(now + LONGEST_WAIT);
            self.net.wait(
                &mut events,
                &mut ready,
                Duration::from_nanos(next.saturating_sub(now)),
            )?;
            for chunk in ready.chunks(EVENTS_PER_CHECK) {
                for one in chunk {
                    self.serve(*one)?;
                }
                let now = self.now();
                if plan.next().is_some_and(|due| due <= now) {
                    plan.act(self, now)?;
                }
            }
        }
    }

    /// Runs the event loop until the time `until`, with progress.
    pub(super) fn run_for(
        &mut self,
        plan: &mut dyn Plan,
        label: &'static str,
        until: u64,
    ) -> Result<()> {
        let begin = self.now();
        let progress = Progress::new(label, until.saturating_sub(begin) / 1_000_000_000);
        let mut next_progress = 0;
        self.run(plan, until, |clients| {
            let now = clients.now();
            if now >= next_progress {
                next_progress = now + nanos(Progress::STEP);
                progress.at((now - begin) / 1_000_000_000);
            }
            false
        })?;
        Ok(())
    }

    /// Runs the event loop until `count` reaches `total`.
    ///
    /// # Errors
    /// When that takes longer than `timeout`.
    pub(super) fn run_until(
        &mut self,
        plan: &mut dyn Plan,
        label: &'static str,
        total: usize,
        timeout: Duration,
        count: impl Fn(&Self) -> usize,
    ) -> Result<()> {
        let progress = Progress::new(label, total as u64);
        let (mut next_progress, until) = (0, self.now() + nanos(timeout));
        let all = self.run(plan, until, |clients| {
            let now = clients.now();
            if now < next_progress && total < 100_000 {
                return count(clients) >= total;
            }
            next_progress = now + nanos(Progress::STEP);
            progress.at(count(clients) as u64);
            count(clients) >= total
        })?;
        if !all {
            let why = self
                .measurements
                .first_fault
                .as_deref()
                .unwrap_or("nothing was refused");
            bail!(
                "{label}: {} of {total} after {} s ({why})",
                count(self),
                timeout.as_secs()
            );
        }
        Ok(())
    }

    fn serve(&mut self, ready: Readiness) -> Result<()> {
        if ready.writable {
            self.net.flush(ready.connection);
        }
        if !ready.readable {
            return Ok(());
        }
        let mut buffer = std::mem::take(&mut self.net.buffer);
        let outcome = loop {
            match self.net.read(ready.connection, &mut buffer) {
                ReadOutcome::Nothing => break Ok(()),
                ReadOutcome::End => break self.ended(ready.connection),
                ReadOutcome::Bytes(count) => {
                    if let Err(error) = self.process(ready.connection, &buffer[..count]) {
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

    /// Processes received bytes, after the bytes of an incomplete message before them.
    fn process(&mut self, slot: usize, bytes: &[u8]) -> Result<()> {
        let Some(connection) = self.net.connection(slot) else {
            return Ok(());
        };
        let role = connection.role;
        if connection.unread.is_empty() {
            let used = self.consume(slot, role, bytes)?;
            if used < bytes.len()
                && let Some(connection) = self.net.connection(slot)
            {
                connection.unread.extend_from_slice(&bytes[used..]);
            }
            return Ok(());
        }
        let mut all = std::mem::take(&mut connection.unread);
        all.extend_from_slice(bytes);
        let used = self.consume(slot, role, &all)?;
        if let Some(connection) = self.net.connection(slot) {
            all.drain(..used);
            if all.is_empty() && all.capacity() > 4096 {
                all = Vec::new();
            }
            connection.unread = all;
        }
        Ok(())
    }

    /// Returns how many bytes were complete messages.
    fn consume(&mut self, slot: usize, role: Role, bytes: &[u8]) -> Result<usize> {
        match role {
            Role::Http(index) => self.answered(index, bytes),
            Role::Opening(member) => {
                let used = self.opened(slot, member, bytes)?;
                if used == 0 {
                    Ok(0)
                } else {
                    Ok(used + self.receive(slot, member, &bytes[used..])?)
                }
            }
            Role::Stream(member) => self.receive(slot, member, bytes),
        }
    }

    fn ended(&mut self, slot: usize) -> Result<()> {
        let Some(connection) = self.net.connection(slot) else {
            return Ok(());
        };
        let role = connection.role;
        self.net.drop_connection(slot);
        match role {
            Role::Http(index) => {
                let (connection, call) = self
                    .pool
                    .slots
                    .get_mut(index)
                    .context("invariant: a slot of the pool")?;
                *connection = None;
                if let Some(call) = call.take() {
                    self.pool.waiting.push_front(call);
                }
            }
            Role::Opening(member) | Role::Stream(member) => self.disconnected(member, role),
        }
        Ok(())
    }

    fn disconnected(&mut self, member: usize, role: Role) {
        let opening =
            matches!(role, Role::Opening(_)) || self.members[member].state < MemberState::Connected;
        let member = &mut self.members[member];
        member.connection = None;
        if opening {
            self.opening = self.opening.saturating_sub(1);
            member.busy = false;
        } else {
            self.connected -= 1;
            member.state = MemberState::Admitted;
        }
        if !self.closing {
            // The member does not reconnect by itself: the lost connection is the finding.
            member.goal = member.state.min(MemberState::Guest);
            self.measurements.faults.disconnected += 1;
            self.measurements
                .record_fault(|| "the server closed a connection".to_owned());
        }
    }

    /// Drops a member's connection without a close frame, as a lost network does.
    pub(super) fn drop_connection(&mut self, member: usize) {
        if let Some(slot) = self.members[member].connection.take() {
            self.net.drop_connection(slot);
            if self.members[member].state == MemberState::Connected {
                self.connected -= 1;
            }
            self.members[member].state = MemberState::Admitted;
            self.members[member].goal = MemberState::Admitted;
        }
    }
}

/// The term of a session's first presenter.
pub(super) const TERM: u32 = 1;
