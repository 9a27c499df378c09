//! A history's world: one server, one session, some people with their devices, and the time.

use crate::bug::Bug;
use crate::chance::Chance;
use crate::client::{Client, Standing};
use crate::door::Door;
use crate::invariants as must;
use crate::invariants::Verdict;
use crate::link::Link;
use crate::panics;
use crate::ports::{CountingIds, CountingSecrets, SimClock, TOKEN_LIFE, session_id};
use crate::process::{Ports, Process, settings};
use crate::store::Store;
use crate::trace::Trace;
use faceshare_biz::domain::facesession::{Admission, HostLeft, SessionClaims};
use faceshare_biz::domain::instruction::{Device, Epoch, KnockState, Position, Profile, Seq, WireFormat};
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

/// How often clients look whether something has arrived.
const LOOK: Duration = Duration::from_millis(60);

/// Something asked over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    /// A seat for this client.
    Seat(usize),
    /// A new title, which no other call gives.
    Title(String),
    /// A knock of this stranger.
    Knock(usize),
    /// How the knock of this stranger ended.
    Wait(usize),
    /// An answer to a knock by this member, who is not the host.
    Meddling(u64),
    /// Anything else.
    Other,
}

/// What a call was told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    Done,
    /// By which knock one waits, if one has to.
    Knock(Option<KnockId>),
    /// How a knock stands; `None`: it is forgotten.
    Standing(Option<KnockState>),
}

/// A call on its way.
pub(crate) struct Calling {
    call: Call,
    answer: oneshot::Receiver<Result<Answer>>,
    task: AbortHandle,
}

pub(crate) struct World {
    seed: u64,
    pub(crate) chance: Chance,
    pub(crate) trace: Trace,
    pub(crate) ports: Ports,
    pub(crate) settings: StreamSettings,
    pub(crate) process: Process,
    pub(crate) clients: Vec<Client>,
    pub(crate) door: Option<Door>,
    pub(crate) calls: Vec<Calling>,
    /// The titles that calls were told to have set.
    pub(crate) titles: Vec<String>,
    /// Numbers for titles, nonces and positions: each is given once.
    numbers: u64,
    /// Connections whose client has gone over to another one.
    pub(crate) left: Vec<Arc<Link>>,
}

pub(crate) fn member(id: u64) -> MemberId {
    MemberId::new(id).expect("invariant: positive")
}

pub(crate) fn point(id: u64) -> PointId {
    PointId::new(id).expect("invariant: positive")
}

pub(crate) fn profile(id: u64) -> Profile {
    let nickname = Nickname::new(&format!("m{id}"), 32).expect("invariant: a nickname");
    Profile { id: member(id), nickname, avatar_url: Box::default(), guest: id.is_multiple_of(4) }
}

pub(crate) fn title(text: &str) -> Title {
    Title::new(text, 100).expect("invariant: a title")
}

impl World {
    pub(crate) fn new(seed: u64, bug: Bug, traced: bool) -> Self {
        panics::count_anew();
        let mut chance = Chance::new(seed);
        let ports = Ports {
            store: Arc::new(Store::new(chance.fork(), bug)),
            clock: Arc::new(SimClock::new()),
            secrets: Arc::new(CountingSecrets::default()),
            ids: Arc::new(CountingIds::new()),
            bug,
        };
        let seq_max = if chance.one_in(6) { 40 } else { 1 << 31 };
        let settings = settings(u32::try_from(seq_max).unwrap_or(u32::MAX));
        let process = Process::start(&ports, settings.clone());
        let clients = people(&mut chance);
        Self {
            seed,
            chance,
            trace: Trace::new(traced),
            ports,
            settings,
            process,
            clients,
            door: Door::of(seed),
            calls: Vec::new(),
            titles: Vec::new(),
            numbers: 0,
            left: Vec::new(),
        }
    }

    pub(crate) fn into_trace(self) -> Vec<String> {
        self.trace.into_lines()
    }

    /// The whole history.
    pub(crate) async fn live(&mut self) -> Verdict {
        let genesis = self.genesis();
        let created = self.process.sessions.create(genesis).await;
        must::invariant_no_mistakes_of_the_server("a healthy store refuses a session", created.is_err())?;
        self.clients[0].standing = Standing::Seated;
        for client in 1..self.clients.len() {
            self.seat(client, Via::Code);
        }
        self.pass(Duration::from_millis(100)).await?;
        for client in 0..self.clients.len() {
            self.connect(client);
        }
        let steps = 25 + self.chance.below(25);
        for _ in 0..steps {
            self.step().await?;
        }
        self.somebody_chatters(self.seed).await?;
        self.finale().await
    }

    fn genesis(&mut self) -> Genesis {
        Genesis {
            id: session_id(),
            title: title("first"),
            host: profile(1),
            admission: Admission::Open,
            host_left: if self.chance.one_in(2) { HostLeft::Promote } else { HostLeft::Countdown },
            max_members: if self.chance.one_in(8) { 3 } else { 500 },
            auto_end_after: self.chance.one_in(10).then(|| Duration::from_secs(320)),
            epoch: Epoch::new("e0").expect("invariant: short and visible"),
            point: point(101),
            device: Device::default(),
        }
    }

    pub(crate) const fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Lets time pass; everybody looks at what arrives.
    pub(crate) async fn pass(&mut self, span: Duration) -> Verdict {
        let mut left = span;
        while !left.is_zero() {
            let slice = left.min(LOOK);
            tokio::time::sleep(slice).await;
            left -= slice;
            self.look()?;
        }
        Ok(())
    }

    /// Everybody looks; what must always hold is checked.
    fn look(&mut self) -> Verdict {
        // Each of the others may show several keys; ordered frames and answers are bounded by the setting.
        let most = self.settings.queue_frames + 2 * self.clients.len() + 1;
        for client in &mut self.clients {
            client.pump(&self.ports.store, most, &mut self.trace)?;
        }
        self.left.retain(|link| link.throw_away());
        self.take_answers()?;
        must::invariant_no_mistakes_of_the_server("a task panicked", panics::counted() > 0)?;
        let (clients, most_wait) = (&mut self.clients, self.settings.rules.knocks);
        self.ports.store.archive(|archive| {
            must::invariant_session_ends_once(archive)?;
            must::invariant_the_door_holds(archive, most_wait)?;
            let state = archive.state();
            let (epoch, seq, index) = (state.epoch().as_str().to_owned(), state.seq().get(), state.index());
            let up_to_date = |c: &&mut Client| c.welcomed && c.compared != index && c.seq == seq && c.epoch() == epoch;
            for client in clients.iter_mut().filter(up_to_date) {
                client.compared = index;
                must::invariant_mirror_is_the_state(client, archive)?;
            }
            Ok(())
        })
    }

    fn take_answers(&mut self) -> Verdict {
        let mut open = Vec::with_capacity(self.calls.len());
        for mut calling in std::mem::take(&mut self.calls) {
            match calling.answer.try_recv() {
                Ok(answer) => self.answered(calling.call, answer)?,
                Err(oneshot::error::TryRecvError::Empty) => open.push(calling),
                Err(oneshot::error::TryRecvError::Closed) => {}
            }
        }
        self.calls = open;
        Ok(())
    }

    fn answered(&mut self, call: Call, answer: Result<Answer>) -> Verdict {
        self.trace.say(|| format!("{call:?} answered {:?}", answer.as_ref().map_err(|e| e.code)));
        let mistake = answer.as_ref().is_err_and(|e| e.code == ErrorCode::Internal);
        must::invariant_no_mistakes_of_the_server("a call is answered INTERNAL", mistake)?;
        match (call, answer) {
            (Call::Knock(stranger) | Call::Wait(stranger), answer) => self.told_at_the_door(stranger, answer.ok())?,
            (Call::Meddling(by), Ok(_)) => {
                self.ports.store.archive(|archive| must::invariant_hosts_alone_answer(by, archive))?;
            }
            (Call::Seat(client), Ok(_)) if self.clients[client].standing == Standing::Out => {
                self.clients[client].standing = Standing::Seated;
            }
            (Call::Title(title), Ok(_)) => {
                self.ports.store.archive(|archive| must::invariant_done_is_in_the_log_once(archive, &title))?;
                self.titles.push(title);
            }
            _ => {}
        }
        Ok(())
    }

    /// Asks the server for something, and goes on.
    pub(crate) fn call(&mut self, call: Call, input: Input) {
        self.trace.say(|| format!("call {call:?}: {input:?}"));
        let sessions = self.process.sessions.clone();
        self.call_for(call, async move { sessions.propose(session_id(), input).await.map(|_| Answer::Done) });
    }

    /// The same for a call that is more than one input.
    pub(crate) fn call_for(&mut self, call: Call, work: impl Future<Output = Result<Answer>> + Send + 'static) {
        let (reply, answer) = oneshot::channel();
        let task = tokio::spawn(async move {
            let result = work.await;
            // The history may be over.
            let _ = reply.send(result);
        });
        self.calls.push(Calling { call, answer, task: task.abort_handle() });
    }

    pub(crate) fn seat(&mut self, client: usize, via: Via) {
        let Client { member, point: id, .. } = self.clients[client];
        let device = self.chance.one_in(2).then(Device::default);
        self.call(Call::Seat(client), Input::Seat { profile: profile(member), point: point(id), device, via });
    }

    /// Connects as a point, asking to go on where it was, mostly.
    pub(crate) fn connect(&mut self, index: usize) {
        let client = &self.clients[index];
        let asked_for = client.has_position().then(|| (client.epoch().to_owned(), client.seq));
        let asked_for = match self.chance.below(12) {
            0 => None,
            1 => asked_for.map(|(epoch, seq)| (epoch, seq + 1_000)),
            2 => asked_for.map(|(_, seq)| ("elsewhere".to_owned(), seq)),
            _ => asked_for,
        };
        let latency = self.chance.pick(&[0, 5, 40, 200]);
        let link = Link::new(self.chance.fork(), latency, self.ports.bug);
        self.trace.say(|| format!("{client} connects at {asked_for:?}, latency {latency} ms"));
        let position = asked_for
            .as_ref()
            .map(|(epoch, seq)| Position { epoch: Epoch::new(epoch).expect("invariant: short and visible"), seq: Seq::new(*seq) });
        let family = FamilyId::new(1).expect("invariant: positive");
        let claims = SessionClaims { session: session_id(), member: member(client.member), point: point(client.point), family };
        let expires_at = self.ports.clock.now() + TOKEN_LIFE;
        let arrival = Arrival { claims, format: client.format, position, expires_at };
        self.process.serve(arrival, link.clone());
        let client = &mut self.clients[index];
        if let Some(old) = client.link.clone() {
            // A second connection of the same point, while the first still stands. What the first brings counts for nothing now.
            old.hang_up(Duration::from_secs(1));
            old.set_stalled(false);
            self.left.push(old);
        }
        client.take_link(link, asked_for);
    }

    /// The server dies this moment; another starts on the same store.
    pub(crate) fn crash(&mut self) {
        self.trace.say(|| "the server is killed".to_owned());
        self.give_up_calls();
        if self.chance.one_in(8) {
            self.ports.store.suspect();
        }
        self.ports.clock.set_skew(i64::try_from(self.chance.below(400)).unwrap_or(0) - 200);
        let next = Process::start(&self.ports, self.settings.clone());
        std::mem::replace(&mut self.process, next).kill();
    }

    /// Whoever called a server that is gone does not know what came of it.
    pub(crate) fn give_up_calls(&mut self) {
        for calling in self.calls.drain(..) {
            calling.task.abort();
        }
        self.door.iter_mut().for_each(Door::give_up_calls);
    }
}

/// Three to eight people; some have a second device. One in six clients speaks JSON.
fn people(chance: &mut Chance) -> Vec<Client> {
    let count = 3 + chance.below(6);
    let mut clients = Vec::new();
    for member in 1..=count {
        let devices = if chance.one_in(4) { 2 } else { 1 };
        for device in 1..=devices {
            let format = if chance.one_in(6) { WireFormat::Json } else { WireFormat::Proto };
            clients.push(Client::new(member, member * 100 + device, format));
        }
    }
    clients
}
