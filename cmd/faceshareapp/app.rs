//! The life of the server: what is opened, in which order, and how it is closed again.

use crate::config::{Config, Loaded, key_ring};
use crate::memory::merge_measurements;
use crate::rotation::KeyRotation;
use crate::wiring::{self, House};
use anyhow::Context as _;
use faceshare_biz::domain::instruction::CloseReason;
use faceshare_logic::instruction::Sessions;
use faceshare_repository::{Database, EmbeddedLog, Synchronous};
use faceshare_server::{Bind, ConnectionPolicy, Lifecycle, Listeners, Services, Tls};
use std::fs::DirBuilder;
use std::future::Future;
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// Connections of one listener at once; more wait to be accepted. Streams do not count: the sessions bound those.
const CONNECTIONS: usize = 16_384;
/// Streams told to leave at a time while draining, and the pause before the next ones: so that not everybody comes back at once.
const DRAIN_BATCH: usize = 256;
const DRAIN_PAUSE: Duration = Duration::from_millis(20);
/// The least that a drain with streams takes.
const DRAIN_MOMENT: Duration = Duration::from_secs(1);
/// What is still under way after the drain has this long to reach the log.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the process has open.
pub(crate) struct Stores {
    pub(crate) database: Database,
    pub(crate) log: Arc<EmbeddedLog>,
    pub(crate) worker: workerid::WorkerLease,
}

/// Runs the server until it is told to stop.
pub(crate) fn serve(loaded: &Loaded) -> anyhow::Result<()> {
    in_runtime(async {
        let config = &loaded.config;
        tracing::info!(configuration = %loaded, version = env!("CARGO_PKG_VERSION"), "starting");
        let metrics = wiring::install_metrics()?;
        let stores = open(config).await?;
        let house = House::build(config, &key_ring(config).context("keys for tokens")?, &stores).await?;
        let bind = Bind { http: config.http.listen, ops: config.http.ops_listen, grpc: Some(config.grpc.listen) };
        let tls = config.tls.files.as_ref().map(|(cert, key)| Tls::load(cert, key)).transpose()?;
        let listeners = Listeners::bind(&bind).await?;
        house.projector.reconcile(&house.sessions).await.context("the sessions of the last run")?;
        let lifecycle = Lifecycle::new();
        let served = run(loaded, &house, &stores, (listeners, tls), lifecycle, metrics).await;
        close(&house, stores).await;
        served
    })
}

/// Brings the database to this version's schema.
pub(crate) fn migrate(loaded: &Loaded) -> anyhow::Result<()> {
    in_runtime(async {
        let stores = open(&loaded.config).await?;
        stores.log.close().await;
        stores.database.close().await?;
        tracing::info!("the database is of this version");
        Ok(())
    })
}

fn in_runtime(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = Runtime::new().context("the runtime")?;
    let done = runtime.block_on(work);
    // Connections that were cut off at the end of a drain may still hold tasks; they are not waited for.
    runtime.shutdown_background();
    done
}

/// Opens what is kept in the data directory, which belongs to one process at a time.
async fn open(config: &Config) -> anyhow::Result<Stores> {
    let dir = &config.data_dir;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.with_context(|| format!("data_dir: {}", dir.display()))?;
    let synchronous = match config.database.synchronous {
        crate::config::Synchronous::Normal => Synchronous::Normal,
        crate::config::Synchronous::Full => Synchronous::Full,
    };
    let log = EmbeddedLog::open(dir, synchronous).await.map_err(explained).context("the session log in data_dir")?;
    let database = Database::open(&config.database.url_in(dir), synchronous).await.map_err(explained).context("database.url")?;
    database.migrate().await.map_err(explained).context("the database's schema")?;
    let worker = workerid::WorkerLease::claim(dir).context("a worker id in data_dir")?;
    Ok(Stores { database, log: Arc::new(log), worker })
}

/// For whoever starts the server the cause is the message; the text for clients says nothing that helps here.
fn explained(error: faceshare_biz::Error) -> anyhow::Error {
    match error.cause() {
        Some(cause) => anyhow::anyhow!("{cause}"),
        None => anyhow::Error::new(error),
    }
}

async fn run(
    loaded: &Loaded,
    house: &House,
    stores: &Stores,
    (listeners, tls): (Listeners, Option<Tls>),
    lifecycle: Lifecycle,
    metrics: metrics_exporter_prometheus::PrometheusHandle,
) -> anyhow::Result<()> {
    let config = &loaded.config;
    let addresses = listeners.addresses();
    let (grpc, health) = faceshare_routes::rpchandler::services(lifecycle.draining.clone()).context("gRPC reflection")?;
    house.background_tasks.spawn(merge_measurements(metrics.clone(), lifecycle.draining.clone()));
    let (http, ops) = house.routers(config, addresses.http, &lifecycle, stores, metrics);
    lifecycle.tracker.spawn(health);
    house.spawn_background(&lifecycle);
    follow(loaded, house, tls.clone(), &lifecycle);
    let signals = lifecycle.clone();
    tokio::spawn(async move {
        if let Err(error) = signals.obey_signals().await {
            tracing::error!(%error, "signals cannot be listened to; stopping");
            signals.stop();
        }
    });
    let grpc_address = addresses.grpc.map(|a| a.to_string()).unwrap_or_default();
    let ops_address = addresses.ops.map(|a| a.to_string()).unwrap_or_default();
    tracing::info!(http = %addresses.http, grpc = %grpc_address, ops = %ops_address, "listening");
    let policy = ConnectionPolicy {
        header_timeout: config.limits.header_timeout,
        // The router refuses a little below, with a problem document; beyond this the connection ends.
        header_bytes: config.limits.header_bytes * 4,
        connections: CONNECTIONS,
        http2_only: false,
    };
    let farewell = dismiss(house.sessions.clone(), lifecycle.tracker.clone());
    listeners.serve(Services { http, ops, grpc, tls }, policy, lifecycle, config.drain.timeout, farewell).await?;
    Ok(())
}

/// Reads the certificate and the keys for tokens again when their files change or SIGHUP comes.
fn follow(loaded: &Loaded, house: &House, tls: Option<Tls>, lifecycle: &Lifecycle) {
    if let Some(tls) = tls {
        house.background_tasks.spawn(tls.follow(lifecycle.reload.subscribe(), lifecycle.draining.clone()));
    }
    let rotation = KeyRotation { loaded: loaded.clone(), tokens: house.tokens.clone(), secrets: house.secrets.clone() };
    house.background_tasks.spawn(rotation.follow(lifecycle.reload.subscribe(), lifecycle.draining.clone()));
}

/// Asks all streams to come back later, some at a time, until none is left, nor one on its way to become a point (`streams` knows those).
/// With streams to dismiss it takes a moment at least, in which their clients find a server that says that it is going down.
async fn dismiss(sessions: Sessions, streams: TaskTracker) {
    let points = sessions.points();
    let began = Instant::now();
    let moment = if points.is_empty() { Duration::ZERO } else { DRAIN_MOMENT };
    while !points.is_empty() || !streams.is_empty() {
        points.close_some(DRAIN_BATCH, CloseReason::Restarting);
        tokio::time::sleep(DRAIN_PAUSE).await;
    }
    tokio::time::sleep_until(began + moment).await;
}

/// Everything that was acknowledged is in the log; what is under way gets there too, or is not acknowledged.
async fn close(house: &House, stores: Stores) {
    if tokio::time::timeout(CLOSE_TIMEOUT, house.sessions.close()).await.is_err() {
        tracing::warn!("some sessions were still busy at the end");
    }
    house.background.cancel();
    house.background_tasks.close();
    if tokio::time::timeout(CLOSE_TIMEOUT, house.background_tasks.wait()).await.is_err() {
        tracing::warn!("the directory of sessions may lag behind until the next start");
    }
    stores.log.close().await;
    if let Err(error) = stores.database.close().await {
        tracing::warn!(%error, cause = ?error.cause(), "the database did not close well");
    }
    tracing::info!("stopped");
}
