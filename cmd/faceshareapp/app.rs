//! The life of the server: what is opened, in which order, and how it is closed again.

use crate::cli::VERSION;
use crate::config::{Config, Loaded, key_ring};
use crate::logging::{LogLevel, Logging};
use crate::reload::Reload;
use crate::surroundings::{self, Surroundings};
use crate::wiring::{self, House};
use anyhow::Context as _;
use faceshare_biz::domain::instruction::{CloseReason, SessionLog as _};
use faceshare_biz::domain::port::Clock as _;
use faceshare_logic::instruction::Sessions;
use faceshare_repository::{Database, DatabaseSettings, EmbeddedLog, Synchronous};
use faceshare_server::{
    Addresses, Bind, ConnectionPolicy, Jobs, Lifecycle, Listeners, Services, Tls,
};
use faceshare_service::SystemClock;
use std::fs::DirBuilder;
use std::future::Future;
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// Streams told to leave at a time while draining, and the pause before the next ones: so that not everybody comes back at once.
const DRAIN_BATCH: usize = 256;
const DRAIN_PAUSE: Duration = Duration::from_millis(20);
/// The least that a drain with streams takes.
const DRAIN_MOMENT: Duration = Duration::from_secs(1);
/// How often measurements are merged into the registry. It keeps each one until it is read, and possibly nothing reads it.
const METRICS_INTERVAL: Duration = Duration::from_secs(5);
/// What is still under way after the drain has this long to reach the log.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the process has open.
pub(crate) struct Stores {
    pub(crate) database: Database,
    pub(crate) log: Arc<EmbeddedLog>,
    pub(crate) worker: workerid::WorkerLease,
    /// The main database's file in `data_dir` was missing or empty.
    new_database: bool,
}

/// Runs the server until it is told to stop.
pub(crate) fn serve(loaded: &Loaded, logging: &Logging) -> anyhow::Result<()> {
    in_runtime(serve_with(loaded, &logging.level, |_| {}))
}

/// What the start warns of: what will not work in these surroundings.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    let (descriptors, now) = (surroundings::raise_descriptors(), SystemClock.now());
    surroundings::warnings(
        config,
        Surroundings {
            descriptors,
            now,
            data_in_memory: surroundings::is_in_memory(&config.data_dir),
        },
    )
}

/// The addresses come first: a server that cannot listen has written nothing. `more` starts further jobs.
async fn serve_with(
    loaded: &Loaded,
    level: &LogLevel,
    more: impl FnOnce(&Jobs),
) -> anyhow::Result<()> {
    let config = &loaded.config;
    let open_files = surroundings::raise_descriptors();
    tracing::info!(version = VERSION, configuration = %loaded, open_files, "starting");
    warnings(config)
        .iter()
        .for_each(|warning| tracing::warn!("{warning}"));
    let metrics = wiring::install_metrics()?;
    let tls = config
        .tls
        .files
        .as_ref()
        .map(|(cert, key)| Tls::load(cert, key))
        .transpose()?;
    let bind = Bind {
        http: config.http.listen,
        ops: config.http.ops_listen,
        grpc: config.grpc.listen,
    };
    let listeners = Listeners::bind(&bind).await?;
    let stores = open(config).await?;
    let house = House::build(
        config,
        &key_ring(config).context("keys for tokens")?,
        &stores,
    )
    .await?;
    bring_in_line(config, &house, &stores)
        .await
        .context("the sessions of the last run")?;
    let lifecycle = Lifecycle::new();
    let jobs = Jobs::new(lifecycle.clone());
    let level = level.clone();
    let reload = Reload {
        loaded: loaded.clone(),
        level,
        tls: tls.clone(),
        tokens: house.tokens.clone(),
        secrets: house.secrets.clone(),
    };
    house.spawn_background(&jobs, &lifecycle, &stores, reload);
    more(&jobs);
    let served = run(
        config,
        &house,
        &stores,
        (listeners, tls),
        (&jobs, lifecycle),
        metrics,
    )
    .await;
    close(&house, &jobs, stores).await;
    served?;
    match jobs.lost() {
        Some(job) => Err(anyhow::anyhow!(
            "the background job {job:?} failed, without which the server cannot go on"
        )),
        None => Ok(()),
    }
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
    made.with_context(|| format!("cannot make the data_dir {}", dir.display()))?;
    let synchronous = match config.database.synchronous {
        crate::config::Synchronous::Normal => Synchronous::Normal,
        crate::config::Synchronous::Full => Synchronous::Full,
    };
    let place = config.database.place(dir);
    let new_database = config.database.url.is_none()
        && std::fs::metadata(&place).map_or(true, |meta| meta.len() == 0);
    let log = EmbeddedLog::open(dir, synchronous).await.map_err(explained);
    let log = log.with_context(|| {
        format!(
            "cannot open the session log {}",
            dir.join("sessions.db").display()
        )
    })?;
    let settings = DatabaseSettings {
        synchronous,
        max_connections: config.database.max_connections,
    };
    let database = Database::open(&config.database.url_in(dir), settings)
        .await
        .map_err(explained)?;
    database
        .migrate()
        .await
        .map_err(explained)
        .with_context(|| format!("cannot bring the schema of {place} to this version"))?;
    let worker = workerid::WorkerLease::claim(dir).context("cannot claim a worker id")?;
    Ok(Stores {
        database,
        log: Arc::new(log),
        worker,
        new_database,
    })
}

/// The person who starts the server needs the cause; the text for clients says nothing that helps here.
fn explained(error: faceshare_biz::Error) -> anyhow::Error {
    match error.cause() {
        Some(cause) => anyhow::anyhow!("{cause}"),
        None => anyhow::Error::new(error),
    }
}

/// Brings the directory of sessions in line with their logs, and says when one of the two files was lost.
async fn bring_in_line(
    config: &Config,
    house: &House,
    stores: &Stores,
) -> faceshare_biz::Result<()> {
    let file = |name: &str| config.data_dir.join(name).display().to_string();
    let lost = house.face_sessions.end_lost().await?;
    if lost > 0 {
        let fault = if stores.log.is_new() {
            "was missing or empty"
        } else {
            "is incomplete"
        };
        tracing::warn!(
            sessions = lost,
            missing = file("sessions.db"),
            "the session log {fault}, and the database lists live sessions: those without a log have been ended; to have them back, stop \
             the server and restore both files from one backup"
        );
    }
    if stores.new_database {
        let sessions = stores.log.sessions().await?.len();
        if sessions > 0 {
            tracing::warn!(
                sessions,
                missing = file("faceshare.db"),
                "the database was missing or empty, and the session log holds sessions: their accounts and codes are gone, so nobody can \
                 enter them; to have them back, stop the server and restore both files from one backup"
            );
        }
    }
    house.projector.reconcile(&house.sessions).await
}

async fn run(
    config: &Config,
    house: &House,
    stores: &Stores,
    (listeners, tls): (Listeners, Option<Tls>),
    (jobs, lifecycle): (&Jobs, Lifecycle),
    metrics: metrics_exporter_prometheus::PrometheusHandle,
) -> anyhow::Result<()> {
    let addresses = listeners.addresses();
    let (grpc, health) = faceshare_routes::rpchandler::services(lifecycle.draining.clone())
        .context("gRPC reflection")?;
    let upkeep = metrics.clone();
    jobs.every(
        "metrics",
        METRICS_INTERVAL,
        lifecycle.draining.clone(),
        move || {
            upkeep.run_upkeep();
            std::future::ready(())
        },
    );
    let (http, ops) = house.routers(config, addresses.http, jobs, &lifecycle, stores, metrics);
    if addresses.grpc.is_some() {
        jobs.run("grpc health", lifecycle.hard.clone(), move || {
            let health = health.clone();
            async move {
                health.follow().await;
                std::future::pending().await
            }
        });
    }
    let signals = Lifecycle::catch_signals().context("cannot receive signals")?;
    jobs.run_essential(
        "signals",
        lifecycle.hard.clone(),
        lifecycle.clone().obey(signals),
    );
    announce(config, addresses);
    let policy = ConnectionPolicy {
        header_timeout: config.limits.header_timeout,
        // The router refuses a little below, with a problem document; beyond this the connection ends.
        header_bytes: config.limits.header_bytes * 4,
        limits: wiring::connection_limits(config),
        http2_only: false,
    };
    let farewell = dismiss(house.sessions.clone(), lifecycle.tracker.clone());
    listeners
        .serve(
            Services {
                http,
                ops,
                grpc,
                tls,
            },
            policy,
            jobs,
            lifecycle,
            config.drain.timeout,
            farewell,
        )
        .await;
    Ok(())
}

/// Where the server listens, and last the address to open.
fn announce(config: &Config, addresses: Addresses) {
    let shown = |address: Option<std::net::SocketAddr>| {
        address
            .map(|address| address.to_string())
            .unwrap_or_default()
    };
    tracing::info!(http = %addresses.http, grpc = shown(addresses.grpc), ops = shown(addresses.ops), "listening");
    let url = config.http.public_url.clone().unwrap_or_else(|| {
        let scheme = if config.tls.files.is_some() {
            "https"
        } else {
            "http"
        };
        let port = addresses.http.port();
        if addresses.http.ip().is_unspecified() {
            format!("{scheme}://localhost:{port}")
        } else {
            format!("{scheme}://{}", addresses.http)
        }
    });
    tracing::info!("ready: the calls are described and can be tried at {url}/docs");
}

/// Asks all streams to come back later, some at a time, until none is left, nor one on its way to become a point (`streams` knows those).
/// With streams to dismiss it takes a moment at least, in which their clients find a server that says that it is going down.
async fn dismiss(sessions: Sessions, streams: TaskTracker) {
    let points = sessions.points();
    let began = Instant::now();
    let moment = if points.is_empty() {
        Duration::ZERO
    } else {
        DRAIN_MOMENT
    };
    while !points.is_empty() || !streams.is_empty() {
        points.close_some(DRAIN_BATCH, CloseReason::Restarting);
        tokio::time::sleep(DRAIN_PAUSE).await;
    }
    tokio::time::sleep_until(began + moment).await;
}

/// Everything that was acknowledged is in the log; what is under way gets there too, or is not acknowledged.
async fn close(house: &House, jobs: &Jobs, stores: Stores) {
    if tokio::time::timeout(CLOSE_TIMEOUT, house.sessions.close())
        .await
        .is_err()
    {
        tracing::warn!("some sessions were still busy at the end");
    }
    house.background.cancel();
    let finish = async {
        jobs.ended().await;
        house.projector.finish().await;
    };
    if tokio::time::timeout(CLOSE_TIMEOUT, finish).await.is_err() {
        tracing::warn!("the directory of sessions may lag behind until the next start");
    }
    stores.log.close().await;
    if let Err(error) = stores.database.close().await {
        tracing::warn!(%error, cause = ?error.cause(), "the database did not close well");
    }
    tracing::info!("stopped");
}

#[cfg(test)]
mod tests;
