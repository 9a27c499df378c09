//! The server under test: the real sessions and connections over simulated ports. It can be killed
//! at any moment.

use crate::archive::CODEC;
use crate::bug::{Bug, PlantedCodec};
use crate::link::{Link, LinkSink, LinkSource};
use crate::ports::{
    CountingIds, CountingSecrets, NoObserver, NothingRevoked, SimClock, StubTokens,
};
use crate::store::{OpenStore, Store};
use faceshare_biz::domain::instruction::CloseReason;
use faceshare_exec::Rules;
use faceshare_logic::instruction::connclient::{Arrival, ConnClients};
use faceshare_logic::instruction::mgr::pointmemmgr::PointMemMgr;
use faceshare_logic::instruction::{ResumeBounds, SessionDeps, Sessions, StreamSettings};
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

/// The ports, which survive a process.
#[derive(Debug, Clone)]
pub(crate) struct Ports {
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) secrets: Arc<CountingSecrets>,
    pub(crate) ids: Arc<CountingIds>,
    pub(crate) bug: Bug,
}

/// One process of the server.
pub(crate) struct Process {
    pub(crate) sessions: Sessions,
    connections: ConnClients,
    points: Arc<PointMemMgr>,
    dead: Arc<AtomicBool>,
    serving: Vec<(JoinHandle<()>, Arc<Link>)>,
}

/// All limits and times are lower than in the server, so that a short history reaches them.
pub(crate) fn settings(seq_max: u32) -> StreamSettings {
    StreamSettings {
        rules: Rules {
            debounce: Duration::from_millis(300),
            grace: Duration::from_secs(2),
            background_grace: Duration::from_secs(6),
            seat: Duration::from_secs(2),
            host_left: Duration::from_secs(12),
            empty: Duration::from_secs(8),
            knock: Duration::from_secs(4),
            knocks: 3,
            knocks_per_address: 2,
            ..Rules::default()
        },
        resume: ResumeBounds {
            age: Duration::from_secs(20),
            frames: 60,
            bytes: 64 << 10,
        },
        heartbeat_interval: Duration::from_secs(2),
        heartbeat_timeout: Duration::from_secs(3),
        queue_frames: 24,
        actions_per_second: 20,
        seq_max,
        ..StreamSettings::default()
    }
}

impl Process {
    pub(crate) fn start(ports: &Ports, settings: StreamSettings) -> Self {
        let dead = Arc::new(AtomicBool::new(false));
        let points: Arc<PointMemMgr> = Arc::default();
        let codec = Arc::new(PlantedCodec {
            codec: CODEC,
            bug: ports.bug,
        });
        let sessions = Sessions::new(SessionDeps {
            log: Arc::new(OpenStore {
                store: ports.store.clone(),
                dead: dead.clone(),
            }),
            codec: codec.clone(),
            clock: ports.clock.clone(),
            secrets: ports.secrets.clone(),
            observer: Arc::new(NoObserver),
            points: points.clone(),
            settings,
        });
        let connections = ConnClients {
            sessions: sessions.clone(),
            codec,
            tokens: Arc::new(StubTokens),
            revocations: Arc::new(NothingRevoked),
            ids: ports.ids.clone(),
        };
        Self {
            sessions,
            connections,
            points,
            dead,
            serving: Vec::new(),
        }
    }

    pub(crate) fn serve(&mut self, arrival: Arrival, link: Arc<Link>) {
        let (connections, mut source, mut sink) = (
            self.connections.clone(),
            LinkSource(link.clone()),
            LinkSink(link.clone()),
        );
        let task = tokio::spawn(async move {
            if let Some(mut connection) = connections.open(arrival, &mut source, &mut sink).await {
                connection
                    .run(&mut source, &mut sink, pin!(pending()))
                    .await;
            }
        });
        self.serving.retain(|(task, _)| !task.is_finished());
        self.serving.push((task, link));
    }

    /// Tells all connections that the server restarts.
    pub(crate) fn drain(&self) {
        self.points.close_some(usize::MAX, CloseReason::Restarting);
    }

    /// Kills the process: nothing of it reaches clients or the store afterwards.
    pub(crate) fn kill(self) {
        self.dead.store(true, Ordering::SeqCst);
        for (task, link) in self.serving {
            link.cut();
            task.abort();
        }
    }
}
