//! The world of a history: one server, one session, some members with their devices, and the time.

use crate::bug::Bug;
use crate::client::{Client, SeatState};
use crate::invariants as must;
use crate::invariants::Verdict;
use crate::join_guests::JoinGuests;
use crate::link::Link;
use crate::panics;
use crate::ports::{CountingIds, CountingSecrets, SimClock, TOKEN_LIFE, session_id};
use crate::process::{Ports, Process, settings};
use crate::random::Random;
use crate::store::Store;
use crate::trace::Trace;
use faceshare_biz::domain::facesession::{Admission, HostLeft, SessionClaims};
use faceshare_biz::domain::instruction::{
    Device, Epoch, KnockState, Position, Profile, Seq, WireFormat,
};
use faceshare_biz::domain::port::Clock;
use faceshare_biz::domain::{FamilyId, KnockId, MemberId, Nickname, PointId, Title};
use faceshare_biz::{ErrorCode, Result};
use faceshare_exec::{Genesis, Input, Via};
use faceshare_logic::instruction::StreamSettings;
use faceshare_logic::instruction::connclient::Arrival;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// How often clients process what has arrived.
const RECEIVE_INTERVAL: Duration = Duration::from_millis(60);

/// A call over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    /// A seat for this client.
    Seat(usize),
    /// A new title, unique in the history.
    Title(String),
    /// A join request of this guest.
    Knock(usize),
    /// The outcome of this guest's join request.
    Wait(usize),
    /// An answer to a join request by this member, who is not the host.
    Unauthorized(u64),
    /// Any other call.
    Other,
}

/// The answer to a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CallAnswer {
    Done,
    /// The join request to wait for, if one is needed.
    Knock(Option<KnockId>),
    /// The state of a join request; `None` if it is forgotten.
    KnockState(Option<KnockState>),
}

/// A call in progress.
pub(crate) struct PendingCall {
    call: Call,
    answer: oneshot::Receiver<Result<CallAnswer>>,
    task: AbortHandle,
}

pub(crate) struct World {
    seed: u64,
    pub(crate) random: Random,
    pub(crate) trace: Trace,
    pub(crate) ports: Ports,
    pub(crate) settings: StreamSettings,
    pub(crate) process: Process,
    pub(crate) clients: Vec<Client>,
    pub(crate) guests: Option<JoinGuests>,
    pub(crate) calls: Vec<PendingCall>,
    /// The titles that calls have set successfully.
    pub(crate) titles: Vec<String>,
    /// The last used number: each title, nonce and position gets another one.
    numbers: u64,
    /// Connections that their client has replaced.
    pub(crate) replaced: Vec<Arc<Link>>,
}

pub(crate) fn member(id: u64) -> MemberId {
    MemberId::new(id).expect("invariant: positive")
}

pub(crate) fn point(id: u64) -> PointId {
    PointId::new(id).expect("invariant: positive")
}

pub(crate) fn profile(id: u64) -> Profile {
    let nickname = Nickname::new(&format!("m{id}"), 32).expect("invariant: a nickname");
    Profile {
        id: member(id),
        nickname,
        avatar_url: Box::default(),
        guest: id.is_multiple_of(4),
    }
}

pub(crate) fn title(text: &str) -> Title {
    Title::new(text, 100).expect("invariant: a title")
}

impl World {
    pub(crate) fn new(seed: u64, bug: Bug, traced: bool) -> Self {
        panics::reset();
        let mut random = Random::new(seed);
        let ports = Ports {
            store: Arc::new(Store::new(random.fork(), bug)),
            clock: Arc::new(SimClock::new()),
            secrets: Arc::new(CountingSecrets::default()),
            ids: Arc::new(CountingIds::new()),
            bug,
        };
        let seq_max = if random.one_in(6) { 40 } else { 1 << 31 };
        let settings = settings(u32::try_from(seq_max).unwrap_or(u32::MAX));
        let process = Process::start(&ports, settings.clone());
        let clients = members(&mut random);
        Self {
            seed,
            random,
            trace: Trace::new(traced),
            ports,
            settings,
            process,
            clients,
            guests: JoinGuests::of(seed),
            calls: Vec::new(),
            titles: Vec::new(),
            numbers: 0,
            replaced: Vec::new(),
        }
    }

    pub(crate) fn into_trace(self) -> Vec<String> {
        self.trace.into_lines()
    }

    /// Runs the whole history.
    pub(crate) async fn run(&mut self) -> Verdict {
        let genesis = self.genesis();
        let created = self.process.sessions.create(genesis).await;
        must::invariant_no_internal_errors("a healthy store refuses a session", created.is_err())?;
        self.clients[0].seat = SeatState::Seated;
        for client in 1..self.clients.len() {
            self.seat(client, Via::Code);
        }
        self.pass(Duration::from_millis(100)).await?;
        for client in 0..self.clients.len() {
            self.connect(client);
        }
        let steps = 25 + self.random.below(25);
        for _ in 0..steps {
            self.step().await?;
        }
        self.send_many_nonces(self.seed).await?;
        self.final_phase().await
    }

    fn genesis(&mut self) -> Genesis {
        Genesis {
            id: session_id(),
            title: title("first"),
            host: profile(1),
            admission: Admission::Open,
            host_left: if self.random.one_in(2) {
                HostLeft::Promote
            } else {
                HostLeft::Countdown
            },
            max_members: if self.random.one_in(8) { 3 } else { 500 },
            auto_end_after: self.random.one_in(10).then(|| Duration::from_secs(320)),
            epoch: Epoch::new("e0").expect("invariant: short and visible"),
            point: point(101),
            device: Device::default(),
        }
    }

    pub(crate) const fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Lets time pass; all clients process what arrives.
    pub(crate) async fn pass(&mut self, span: Duration) -> Verdict {
        let mut remaining = span;
        while !remaining.is_zero() {
            let slice = remaining.min(RECEIVE_INTERVAL);
            tokio::time::sleep(slice).await;
            remaining -= slice;
            self.process_received()?;
        }
        Ok(())
    }

    /// All clients process what has arrived; then the invariants are checked.
    fn process_received(&mut self) -> Verdict {
        // Each of the other clients may send several keys; ordered frames and answers are bounded
        // by the setting.
        let most = self.settings.queue_frames + 2 * self.clients.len() + 1;
        for client in &mut self.clients {
            client.process_received(&self.ports.store, most, &mut self.trace)?;
        }
        self.replaced.retain(|link| link.discard_received());
        self.process_answers()?;
        must::invariant_no_internal_errors("a task panicked", panics::counted() > 0)?;
        let (clients, most_wait) = (&mut self.clients, self.settings.rules.knocks);
        self.ports.store.archive(|archive| {
            must::invariant_session_ends_once(archive)?;
            must::invariant_knocks_are_consistent(archive, most_wait)?;
            let state = archive.state();
            let (epoch, seq, index) = (
                state.epoch().as_str().to_owned(),
                state.seq().get(),
                state.index(),
            );
            let up_to_date = |c: &&mut Client| {
                c.welcomed && c.compared != index && c.seq == seq && c.epoch() == epoch
            };
            for client in clients.iter_mut().filter(up_to_date) {
                client.compared = index;
                must::invariant_mirror_is_the_state(client, archive)?;
            }
            Ok(())
        })
    }

    fn process_answers(&mut self) -> Verdict {
        let mut open = Vec::with_capacity(self.calls.len());
        for mut pending in std::mem::take(&mut self.calls) {
            match pending.answer.try_recv() {
                Ok(answer) => self.answered(pending.call, answer)?,
                Err(oneshot::error::TryRecvError::Empty) => open.push(pending),
                Err(oneshot::error::TryRecvError::Closed) => {}
            }
        }
        self.calls = open;
        Ok(())
    }

    fn answered(&mut self, call: Call, answer: Result<CallAnswer>) -> Verdict {
        self.trace.log(|| {
            format!(
                "{call:?} answered {:?}",
                answer.as_ref().map_err(|e| e.code)
            )
        });
        let mistake = answer
            .as_ref()
            .is_err_and(|e| e.code == ErrorCode::Internal);
        must::invariant_no_internal_errors("a call is answered INTERNAL", mistake)?;
        match (call, answer) {
            (Call::Knock(guest) | Call::Wait(guest), answer) => {
                self.join_call_answered(guest, answer.ok())?
            }
            (Call::Unauthorized(by), Ok(_)) => {
                self.ports
                    .store
                    .archive(|archive| must::invariant_only_hosts_answer_knocks(by, archive))?;
            }
            (Call::Seat(client), Ok(_)) if self.clients[client].seat == SeatState::Out => {
                self.clients[client].seat = SeatState::Seated;
            }
            (Call::Title(title), Ok(_)) => {
                self.ports
                    .store
                    .archive(|archive| must::invariant_done_is_in_the_log_once(archive, &title))?;
                self.titles.push(title);
            }
            _ => {}
        }
        Ok(())
    }

    /// Makes a call without waiting for its answer.
    pub(crate) fn call(&mut self, call: Call, input: Input) {
        self.trace.log(|| format!("call {call:?}: {input:?}"));
        let sessions = self.process.sessions.clone();
        self.call_for(call, async move {
            sessions
                .propose(session_id(), input)
                .await
                .map(|_| CallAnswer::Done)
        });
    }

    /// The same for a call of more than one input.
    pub(crate) fn call_for(
        &mut self,
        call: Call,
        work: impl Future<Output = Result<CallAnswer>> + Send + 'static,
    ) {
        let (reply, answer) = oneshot::channel();
        let task = tokio::spawn(async move {
            let result = work.await;
            // Fails if the history has ended.
            let _ = reply.send(result);
        });
        self.calls.push(PendingCall {
            call,
            answer,
            task: task.abort_handle(),
        });
    }

    pub(crate) fn seat(&mut self, client: usize, via: Via) {
        let Client {
            member, point: id, ..
        } = self.clients[client];
        let device = self.random.one_in(2).then(Device::default);
        self.call(
            Call::Seat(client),
            Input::Seat {
                profile: profile(member),
                point: point(id),
                device,
                via,
            },
        );
    }

    /// Connects as a point, usually asking to resume at its position.
    pub(crate) fn connect(&mut self, index: usize) {
        let client = &self.clients[index];
        let resume_position = client
            .has_position()
            .then(|| (client.epoch().to_owned(), client.seq));
        let resume_position = match self.random.below(12) {
            0 => None,
            1 => resume_position.map(|(epoch, seq)| (epoch, seq + 1_000)),
            2 => resume_position.map(|(_, seq)| ("elsewhere".to_owned(), seq)),
            _ => resume_position,
        };
        let latency = self.random.pick(&[0, 5, 40, 200]);
        let link = Link::new(self.random.fork(), latency, self.ports.bug);
        self.trace
            .log(|| format!("{client} connects at {resume_position:?}, latency {latency} ms"));
        let position = resume_position.as_ref().map(|(epoch, seq)| Position {
            epoch: Epoch::new(epoch).expect("invariant: short and visible"),
            seq: Seq::new(*seq),
        });
        let family = FamilyId::new(1).expect("invariant: positive");
        let claims = SessionClaims {
            session: session_id(),
            member: member(client.member),
            point: point(client.point),
            family,
        };
        let expires_at = self.ports.clock.now() + TOKEN_LIFE;
        let arrival = Arrival {
            claims,
            format: client.format,
            position,
            expires_at,
        };
        self.process.serve(arrival, link.clone());
        let client = &mut self.clients[index];
        if let Some(old) = client.link.clone() {
            // A second connection of the same point while the first is still open. What the first
            // one receives is ignored.
            old.disconnect(Duration::from_secs(1));
            old.set_stalled(false);
            self.replaced.push(old);
        }
        client.replace_link(link, resume_position);
    }

    /// Kills the server; another one starts on the same store.
    pub(crate) fn crash(&mut self) {
        self.trace.log(|| "the server is killed".to_owned());
        self.abandon_calls();
        if self.random.one_in(8) {
            self.ports.store.suspect();
        }
        self.ports
            .clock
            .set_skew(i64::try_from(self.random.below(400)).unwrap_or(0) - 200);
        let next = Process::start(&self.ports, self.settings.clone());
        std::mem::replace(&mut self.process, next).kill();
    }

    /// Abandons the calls to a killed server, whose outcome is unknown.
    pub(crate) fn abandon_calls(&mut self) {
        for pending in self.calls.drain(..) {
            pending.task.abort();
        }
        self.guests.iter_mut().for_each(JoinGuests::abandon_calls);
    }
}

/// Creates three to eight members; some have a second device. One in six clients uses JSON.
fn members(random: &mut Random) -> Vec<Client> {
    let count = 3 + random.below(6);
    let mut clients = Vec::new();
    for member in 1..=count {
        let devices = if random.one_in(4) { 2 } else { 1 };
        for device in 1..=devices {
            let format = if random.one_in(6) {
                WireFormat::Json
            } else {
                WireFormat::Proto
            };
            clients.push(Client::new(member, member * 100 + device, format));
        }
    }
    clients
}
