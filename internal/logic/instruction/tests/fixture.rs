//! The fixture of these tests: a session of `ann` that clients join and leave.

use super::codec::TableCodec;
use super::log::ScriptedLog;
use super::socket::{Client, Way};
use crate::fakes::{CountingIds, MemoryRevocations, PlainSecrets, PlainTokens};
use crate::instruction::connclient::{Arrival, ConnClients};
use crate::instruction::{SessionDeps, SessionObserver, Sessions, StreamSettings};
use faceshare_biz::Result;
use faceshare_biz::domain::facesession::{
    Admission, FaceSession, HostLeft, SessionClaims, SessionRecord,
};
use faceshare_biz::domain::instruction::{
    Command, Device, Epoch, Invite, Lock, Position, Profile, Seq, WireFormat,
};
use faceshare_biz::domain::port::Clock;
use faceshare_biz::domain::{FamilyId, MemberId, Nickname, PointId, SessionId, Timestamp, Title};
use faceshare_exec::{Genesis, Input, Patch, State, Via};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const NAMES: [&str; 5] = ["ann", "bob", "cat", "dan", "eve"];

/// Deadline of a call, in paused time.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn id(name: &str) -> MemberId {
    let number = NAMES.iter().position(|n| *n == name).expect("a known name") + 1;
    MemberId::new(number as u64).expect("an id")
}

pub(super) fn point(name: &str, n: u64) -> PointId {
    PointId::new(id(name).get() * 100 + n).expect("an id")
}

fn profile(name: &str) -> Profile {
    Profile {
        id: id(name),
        nickname: Nickname::new(name, 32).expect("a nickname"),
        avatar_url: Box::default(),
        guest: false,
    }
}

pub(super) fn session_id() -> SessionId {
    SessionId::new(900).expect("an id")
}

fn title(text: &str) -> Title {
    Title::new(text, 100).expect("a title")
}

pub(super) const fn follow_me(invite: Invite) -> Command {
    Command::FollowMe {
        invite,
        lock: Lock::None,
        presenter: None,
    }
}

pub(super) fn follow(name: &str) -> Command {
    Command::FollowOther {
        target: Some(id(name)),
    }
}

pub(super) const STOP: Command = Command::CancelFollow { suspend: None };

/// Tokio's time, which a test can pause, as the time of day.
#[derive(Debug)]
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_000_000_000) + self.0.elapsed()
    }
}

/// An observer that panics when a test asks for it.
#[derive(Debug, Default)]
pub(super) struct Observer(AtomicBool);

impl Observer {
    pub(super) fn panic_once(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl SessionObserver for Observer {
    fn changed(&self, _: &SessionRecord) {
        assert!(!self.0.swap(false, Ordering::SeqCst), "told to panic");
    }
}

pub(super) struct StreamFixture {
    pub(super) sessions: Sessions,
    pub(super) log: Arc<ScriptedLog>,
    pub(super) codec: Arc<TableCodec>,
    pub(super) observer: Arc<Observer>,
    clock: Arc<PausedClock>,
    connections: ConnClients,
    way: Way,
    /// Ends all connections where they are.
    pub(super) cut: CancellationToken,
}

impl StreamFixture {
    /// The session of `ann`, without members online and without heartbeats.
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// Like [`new`](Self::new), with changed settings.
    pub(super) async fn with(change: impl FnOnce(&mut StreamSettings)) -> Self {
        let day = Duration::from_secs(86_400);
        let mut settings = StreamSettings {
            heartbeat_interval: day,
            heartbeat_timeout: day,
            ..StreamSettings::default()
        };
        change(&mut settings);
        let (log, codec) = (
            Arc::new(ScriptedLog::new()),
            Arc::new(TableCodec::default()),
        );
        let (clock, observer) = (
            Arc::new(PausedClock(Instant::now())),
            Arc::new(Observer::default()),
        );
        let sessions = Sessions::new(SessionDeps {
            log: log.clone(),
            codec: codec.clone(),
            clock: clock.clone(),
            secrets: Arc::new(PlainSecrets::default()),
            observer: observer.clone(),
            points: Arc::default(),
            settings,
        });
        let (tokens, ids) = (Arc::new(PlainTokens), Arc::new(CountingIds::default()));
        let connections = ConnClients {
            sessions: sessions.clone(),
            codec: codec.clone(),
            tokens,
            revocations: Arc::new(MemoryRevocations::default()),
            ids,
        };
        let fixture = Self {
            sessions,
            log,
            codec,
            observer,
            clock,
            connections,
            way: Way::Direct,
            cut: CancellationToken::new(),
        };
        fixture.sessions.create(genesis()).await.expect("created");
        fixture
    }

    /// Sets how the server writes to clients.
    pub(super) fn writing(self, way: Way) -> Self {
        Self { way, ..self }
    }

    /// The same session in a new process: it is not loaded, and no point is connected.
    pub(super) fn restarted(&self, change: impl FnOnce(&mut StreamSettings)) -> Self {
        let mut settings = self.sessions.settings().clone();
        change(&mut settings);
        let sessions = Sessions::new(SessionDeps {
            log: self.log.clone(),
            codec: self.codec.clone(),
            clock: self.clock.clone(),
            secrets: Arc::new(PlainSecrets::default()),
            observer: self.observer.clone(),
            points: Arc::default(),
            settings,
        });
        let connections = ConnClients {
            sessions: sessions.clone(),
            ..self.connections.clone()
        };
        let (log, codec) = (self.log.clone(), self.codec.clone());
        Self {
            sessions,
            log,
            codec,
            observer: self.observer.clone(),
            clock: self.clock.clone(),
            connections,
            way: self.way,
            cut: CancellationToken::new(),
        }
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// Waits until all tasks are idle.
    pub(super) async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    pub(super) async fn wait(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }

    /// Admits a member.
    pub(super) async fn seat(&self, name: &str, n: u64) {
        let device = Some(Device::default());
        let seat = Input::Seat {
            profile: profile(name),
            point: point(name, n),
            device,
            via: Via::Code,
        };
        self.propose(seat).await.expect("let in");
    }

    pub(super) async fn propose(&self, input: Input) -> Result<FaceSession> {
        tokio::time::timeout(PATIENCE, self.sessions.propose(session_id(), input))
            .await
            .expect("answered in time")
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&State) -> T + Send + 'static,
    ) -> T {
        let read = self.sessions.read(session_id(), look);
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("answered in time")
            .expect("read")
    }

    /// Who presents.
    pub(super) async fn presenter(&self) -> Option<MemberId> {
        self.read(|state| state.presenting().map(|p| p.member))
            .await
    }

    pub(super) fn retitled(text: &str) -> Input {
        Input::Patch {
            by: id("ann"),
            patch: Patch {
                title: Some(title(text)),
                ..Patch::default()
            },
        }
    }

    /// Causes one ordered frame.
    pub(super) async fn retitle(&self, text: &str) {
        self.propose(Self::retitled(text)).await.expect("renamed");
    }

    /// Connects as a point; the connection may be refused.
    pub(super) fn connect(&self, name: &str, n: u64) -> Client {
        self.arrive(name, n, None)
    }

    /// Connects as a point that resumes after `seq`.
    pub(super) fn resume(&self, name: &str, n: u64, epoch: &Epoch, seq: u32) -> Client {
        self.arrive(
            name,
            n,
            Some(Position {
                epoch: epoch.clone(),
                seq: Seq::new(seq),
            }),
        )
    }

    fn arrive(&self, name: &str, n: u64, position: Option<Position>) -> Client {
        let family = FamilyId::new(1).expect("an id");
        let claims = SessionClaims {
            session: session_id(),
            member: id(name),
            point: point(name, n),
            family,
        };
        let expires_at = self.clock.now() + Duration::from_secs(3_600);
        let arrival = Arrival {
            claims,
            format: WireFormat::Proto,
            position,
            expires_at,
        };
        let (connections, cut) = (self.connections.clone(), self.cut.clone());
        Client::new(self.codec.clone(), self.way, |mut source, mut sink| {
            tokio::spawn(async move {
                if let Some(mut connection) =
                    connections.open(arrival, &mut source, &mut sink).await
                {
                    connection
                        .run(&mut source, &mut sink, pin!(cut.cancelled()))
                        .await;
                }
            })
        })
    }

    /// Admits a member and connects its first point.
    pub(super) async fn join(&self, name: &str) -> Client {
        if name != "ann" {
            self.seat(name, 1).await;
        }
        let client = self.connect(name, 1);
        self.settle().await;
        client
    }

    /// Admits and connects these members, and drops the frames that they got so far.
    pub(super) async fn joined<const N: usize>(&self, names: [&str; N]) -> [Client; N] {
        let mut clients = Vec::with_capacity(N);
        for name in names {
            clients.push(self.join(name).await);
        }
        for client in &clients {
            client.words();
        }
        clients
            .try_into()
            .unwrap_or_else(|_| panic!("as many clients as names"))
    }

    pub(super) async fn epoch(&self) -> Epoch {
        self.read(|state| state.epoch().clone()).await
    }
}

pub(super) fn genesis() -> Genesis {
    Genesis {
        id: session_id(),
        title: title("Talk"),
        host: profile("ann"),
        admission: Admission::Open,
        host_left: HostLeft::Countdown,
        max_members: 500,
        auto_end_after: None,
        epoch: Epoch::new("first").expect("an epoch"),
        point: point("ann", 1),
        device: Device::default(),
    }
}
