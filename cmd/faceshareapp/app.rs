//! The life of the process: what it opens, in which order, and how it closes it again.

use crate::cli::VERSION;
use crate::config::{Config, Loaded, key_ring};
use crate::logging::{LogLevel, Logging};
use crate::reload::Reload;
use crate::surroundings::{self, Surroundings};
use crate::wiring::{self, App};
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

/// How many streams a drain closes at a time, and the pause before the next ones. It spreads the
/// clients' attempts to reconnect over time.
const DRAIN_BATCH: usize = 256;
const DRAIN_PAUSE: Duration = Duration::from_millis(20);
/// The shortest time that a drain with open streams takes.
const DRAIN_MIN: Duration = Duration::from_secs(1);
/// How often histogram samples are merged into buckets. Until then the recorder keeps each sample,
/// and possibly no scraper reads them.
const METRICS_INTERVAL: Duration = Duration::from_secs(5);
/// After the drain, unfinished instructions have this long to reach the log.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The databases and the worker id that the process holds.
pub(crate) struct Stores {
    pub(crate) database: Database,
    pub(crate) log: Arc<EmbeddedLog>,
    pub(crate) worker: workerid::WorkerLease,
    /// The main database's file in `data_dir` was missing or empty.
    new_database: bool,
}

/// Runs the server until a signal stops it.
pub(crate) fn serve(loaded: &Loaded, logging: &Logging) -> anyhow::Result<()> {
    block_on(serve_with(loaded, &logging.level, |_| {}))
}

/// The warnings of the start: what will not work with this configuration on this machine.
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

/// Binds the addresses before it opens the data directory, so a server that cannot listen has
/// written nothing. Tests add jobs with `start_more_jobs`.
async fn serve_with(
    loaded: &Loaded,
    level: &LogLevel,
    start_more_jobs: impl FnOnce(&Jobs),
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
    let app = App::build(
        config,
        &key_ring(config).context("cannot load the keys for tokens")?,
        &stores,
    )
    .await?;
    reconcile_stores(config, &app, &stores)
        .await
        .context("cannot restore the sessions of the last run")?;
    let lifecycle = Lifecycle::new();
    let jobs = Jobs::new(lifecycle.clone());
    let level = level.clone();
    let reload = Reload {
        loaded: loaded.clone(),
        level,
        tls: tls.clone(),
        tokens: app.tokens.clone(),
        secrets: app.secrets.clone(),
    };
    app.spawn_background(&jobs, &lifecycle, &stores, reload);
    start_more_jobs(&jobs);
    let served = run(
        config,
        &app,
        &stores,
        (listeners, tls),
        (&jobs, lifecycle.clone()),
        metrics,
    )
    .await;
    // After a failure on the way the jobs still run; at the end of a drain they are told already.
    lifecycle.stop_now();
    close(&app, &jobs, stores).await;
    served?;
    match jobs.lost() {
        Some(job) => Err(anyhow::anyhow!(
            "the background job {job:?} failed; the server cannot run without it"
        )),
        None => Ok(()),
    }
}

/// Migrates the database to this version's schema.
pub(crate) fn migrate(loaded: &Loaded) -> anyhow::Result<()> {
    block_on(async {
        let stores = open(&loaded.config).await?;
        stores.log.close().await;
        stores.database.close().await?;
        tracing::info!("the database has the schema of this version");
        Ok(())
    })
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = Runtime::new().context("cannot start the tokio runtime")?;
    let done = runtime.block_on(work);
    // Connections that a drain cut off at its timeout may still have tasks. Don't wait for them.
    runtime.shutdown_background();
    done
}

/// Opens the session log and the database, and claims a worker id. The data directory belongs to
/// one process at a time.
async fn open(config: &Config) -> anyhow::Result<Stores> {
    let dir = &config.data_dir;
    let created = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    created.with_context(|| format!("cannot create the data_dir {}", dir.display()))?;
    let synchronous = match config.database.synchronous {
        crate::config::Synchronous::Normal => Synchronous::Normal,
        crate::config::Synchronous::Full => Synchronous::Full,
    };
    let location = config.database.location(dir);
    let new_database = config.database.url.is_none()
        && std::fs::metadata(&location).map_or(true, |meta| meta.len() == 0);
    let log = EmbeddedLog::open(dir, synchronous)
        .await
        .map_err(with_cause);
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
        .map_err(with_cause);
    let database = match &config.database.url {
        Some(_) => database.context("database.url")?,
        None => database?,
    };
    database
        .migrate()
        .await
        .map_err(with_cause)
        .with_context(|| format!("cannot migrate {location} to the schema of this version"))?;
    let worker = workerid::WorkerLease::claim(dir).context("cannot claim a worker id")?;
    Ok(Stores {
        database,
        log: Arc::new(log),
        worker,
        new_database,
    })
}

/// Replaces the text for clients by the cause, which is what the operator needs.
fn with_cause(error: faceshare_biz::Error) -> anyhow::Error {
    match error.cause() {
        Some(cause) => anyhow::anyhow!("{cause}"),
        None => anyhow::Error::new(error),
    }
}

/// Reconciles the directory of sessions with the session log. Warns when one of the two files was
/// lost while the other still has sessions.
async fn reconcile_stores(
    config: &Config,
    app: &App,
    stores: &Stores,
) -> faceshare_biz::Result<()> {
    let file = |name: &str| config.data_dir.join(name).display().to_string();
    let lost = app.face_sessions.end_lost().await?;
    if lost > 0 {
        let fault = if stores.log.is_new() {
            "was missing or empty"
        } else {
            "is incomplete"
        };
        tracing::warn!(
            sessions = lost,
            missing = file("sessions.db"),
            "the session log {fault}, and the database lists live sessions: those without a log have \
             been ended; to get them back, stop the server and restore both files from one backup"
        );
    }
    if stores.new_database {
        let sessions = stores.log.sessions().await?.len();
        if sessions > 0 {
            tracing::warn!(
                sessions,
                missing = file("faceshare.db"),
                "the database was missing or empty, and the session log holds sessions: their accounts \
                 and codes are gone, so no client can enter them; to get them back, stop the server \
                 and restore both files from one backup"
            );
        }
    }
    app.projector.reconcile(&app.sessions).await
}

async fn run(
    config: &Config,
    app: &App,
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
    let (http, ops) = app.routers(config, addresses.http, jobs, &lifecycle, stores, metrics);
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
    log_addresses(config, addresses);
    let policy = ConnectionPolicy {
        header_timeout: config.limits.header_timeout,
        request_timeout: config.limits.request_timeout,
        // The router refuses headers above `header_bytes` with a problem document. Above this bound
        // the connection is closed.
        header_bytes: config.limits.header_bytes * 4,
        limits: wiring::connection_limits(config),
        http2_only: false,
    };
    let closing_streams = close_streams(app.sessions.clone(), lifecycle.tracker.clone());
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
            closing_streams,
        )
        .await;
    Ok(())
}

/// Logs the listeners' addresses, and last the URL to open in a browser.
fn log_addresses(config: &Config, addresses: Addresses) {
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
    tracing::info!("ready: the API is described and can be tried at {url}/docs");
}

/// Closes all streams with `Restarting`, [`DRAIN_BATCH`] at a time, until no point is left and no
/// stream is about to become a point (`streams` tracks those).
///
/// When there are points it takes [`DRAIN_MIN`] at least. Clients that reconnect in that time get a
/// 503, which says that the server is going down.
async fn close_streams(sessions: Sessions, streams: TaskTracker) {
    let points = sessions.points();
    let started = Instant::now();
    let least = if points.is_empty() {
        Duration::ZERO
    } else {
        DRAIN_MIN
    };
    while !points.is_empty() || !streams.is_empty() {
        points.close_some(DRAIN_BATCH, CloseReason::Restarting);
        tokio::time::sleep(DRAIN_PAUSE).await;
    }
    tokio::time::sleep_until(started + least).await;
}

/// Closes the sessions, then the background work, then the databases. Everything that was
/// acknowledged is in the log; an instruction that does not reach the log is not acknowledged.
async fn close(app: &App, jobs: &Jobs, stores: Stores) {
    if tokio::time::timeout(CLOSE_TIMEOUT, app.sessions.close())
        .await
        .is_err()
    {
        tracing::warn!(
            "some sessions did not close in time; their unacknowledged instructions are lost"
        );
    }
    app.background.cancel();
    let finish = async {
        jobs.ended().await;
        app.projector.finish().await;
        app.sequencer.release().await;
    };
    if tokio::time::timeout(CLOSE_TIMEOUT, finish).await.is_err() {
        tracing::warn!("the directory of sessions may lag behind until the next start");
    }
    stores.log.close().await;
    if let Err(error) = stores.database.close().await {
        tracing::warn!(%error, cause = ?error.cause(), "cannot close the database");
    }
    tracing::info!("stopped");
}

#[cfg(test)]
mod tests;
