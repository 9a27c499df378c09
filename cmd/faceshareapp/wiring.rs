//! The composition root: it builds the use cases over their adapters. No other file of the
//! workspace names a concrete adapter.

use crate::app::Stores;
use crate::config::{Config, EventBus, Limits};
use crate::reload::Reload;
use crate::surroundings;
use anyhow::Context as _;
use faceshare_biz::domain::account::RevocationRegistry;
use faceshare_biz::domain::facesession::NoContacts;
use faceshare_biz::domain::port::{Clock, IdGenerator, Secrets, Tokens};
use faceshare_logic::account::{AccountDeps, AccountPolicy, Accounts};
use faceshare_logic::event::{EventUpkeep, FIGURES_INTERVAL, Sequencer, UPKEEP_INTERVAL};
use faceshare_logic::facesession::{
    ADMISSION_WATCH_INTERVAL, AdmissionObserver, AdmissionWatch, CODE_EXPIRY_INTERVAL,
    CODE_PURGE_INTERVAL, CRON_INTERVAL, CodeExpiry, CodePolicy, CodePurge, FaceCronTask,
    FaceSessionDeps, FaceSessionPolicy, FaceSessions, Projector, ProjectorDeps, RETENTION_INTERVAL,
    Retention,
};
use faceshare_logic::idempotency::{Idempotency, PURGE_INTERVAL};
use faceshare_logic::instruction::connclient::ConnClients;
use faceshare_logic::instruction::exec::Rules;
use faceshare_logic::instruction::mgr::pointaddresses::PointAddresses;
use faceshare_logic::instruction::mgr::pointmemmgr::PointMemMgr;
use faceshare_logic::instruction::{
    CloseRevoked, ResumeBounds, SessionDeps, Sessions, StreamSettings,
};
use faceshare_repository::{
    EmbeddedGuessBudgets, EmbeddedPasswordBudgets, EmbeddedRevocations, cache, db,
};
use faceshare_routes::websocketcontroller::{
    self, StreamPermits, StreamQuotas, StreamState, WebSocketCodec, WireCodec,
};
use faceshare_routes::{
    AccountLimits, AddressLimits, AddressRates, AllowedOrigins, AppState, ClassicRules,
    DiscardUnread, HttpPolicy, LinkSettings, Links, LocalMachine, Observer, Ops, ReadinessCheck,
    UploadLimits,
};
use faceshare_server::{ConnectionLimits, Jobs, Lifecycle};
use faceshare_service::{
    Argon2Passwords, AuthTtl, PasetoTokens, PasswordSettings, PortraitSettings, Portraits,
    SealedSecrets, SnowflakeIds, SystemClock,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_util::layers::{PrefixLayer, Stack};
use pasetotoken::KeyRing;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Upper bounds of the buckets of all duration histograms, in seconds: from a cache hit to a
/// request that times out.
const SECONDS: [f64; 12] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0,
];

/// A call goes on after its client has disconnected. It may take this much longer than
/// `limits.request_timeout`.
const CALL_MARGIN: std::time::Duration = std::time::Duration::from_secs(15);

/// The application: the use cases over their adapters.
pub(crate) struct App {
    pub(crate) sessions: Sessions,
    pub(crate) projector: Projector,
    /// Stops the background work that must go on until the sessions are closed.
    pub(crate) background: CancellationToken,
    /// A reload replaces its keys.
    pub(crate) tokens: Arc<PasetoTokens>,
    /// A reload replaces its keys.
    pub(crate) secrets: Arc<SealedSecrets>,
    accounts: Arc<Accounts>,
    pub(crate) face_sessions: Arc<FaceSessions>,
    clients: ConnClients,
    addresses: Arc<PointAddresses>,
    door: Arc<AdmissionWatch>,
    revocations: Arc<dyn RevocationRegistry>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdGenerator>,
    directory: Arc<db::FaceSessions>,
    retention: Retention,
    idempotency: Idempotency,
    code_purge: CodePurge,
    code_expiry: Arc<CodeExpiry>,
    /// Its lease is released at the stop.
    pub(crate) sequencer: Sequencer,
    event_upkeep: EventUpkeep,
}

/// Installs the recorder behind `/metrics`. It runs before anything else, because what is counted
/// before it is installed is lost. All our metrics get their prefix here: the exporter writes the
/// layer's `faceshare.` as `faceshare_`.
pub(crate) fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
        .context("cannot set the buckets of the histograms")?
        .build_recorder();
    let handle = recorder.handle();
    Stack::new(recorder)
        .push(PrefixLayer::new("faceshare"))
        .install()
        .context("cannot install the metrics recorder")?;
    Ok(handle)
}

impl App {
    /// Builds everything. It starts no background work.
    pub(crate) async fn build(
        config: &Config,
        ring: &KeyRing,
        stores: &Stores,
    ) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ids: Arc<dyn IdGenerator> = Arc::new(SnowflakeIds::new(workerid::Generator::new(
            stores.worker.id(),
            SystemClock,
        )));
        let sealed =
            Arc::new(SealedSecrets::new(ring).context("cannot read the system's random source")?);
        let secrets: Arc<dyn Secrets> = sealed.clone();
        let auth = &config.auth;
        let ttl = AuthTtl {
            access: auth.access_ttl,
            refresh: auth.refresh_ttl,
            session: auth.session_ttl,
        };
        let paseto = Arc::new(PasetoTokens::new(ring, ttl));
        let tokens: Arc<dyn Tokens> = paseto.clone();
        let database = &stores.database;
        let accounts_store = Arc::new(cache::CachedAccounts::new(db::Accounts::new(
            database.clone(),
        )));
        let codes = Arc::new(cache::CachedNumberCodes::new(db::NumberCodes::new(
            database.clone(),
        )));
        let (directory, invites) = (
            Arc::new(db::FaceSessions::new(database.clone())),
            Arc::new(db::Invites::new(database.clone())),
        );
        let families = Arc::new(db::TokenFamilies::new(database.clone()));
        let revocations = EmbeddedRevocations::load(&*families, clock.now())
            .await
            .context("cannot load the revoked sign-ins")?;
        let revocations: Arc<dyn RevocationRegistry> = Arc::new(revocations);
        let code_policy = code_policy(config);
        let deps = ProjectorDeps {
            directory: directory.clone(),
            codes: codes.clone(),
            invites: invites.clone(),
            clock: clock.clone(),
        };
        let projector = Projector::new(deps, code_policy);
        let codec = Arc::new(WebSocketCodec(WireCodec {
            action_key_bytes: config.limits.action_key_bytes,
        }));
        let budgets = Arc::new(EmbeddedGuessBudgets::new(config.number_code.guesses));
        let addresses = Arc::<PointAddresses>::default();
        let keeper = AdmissionObserver {
            projector: projector.clone(),
            budgets: budgets.clone(),
            addresses: addresses.clone(),
            clock: clock.clone(),
        };
        let sessions = Sessions::new(SessionDeps {
            log: stores.log.clone(),
            codec: codec.clone(),
            clock: clock.clone(),
            secrets: secrets.clone(),
            observer: Arc::new(keeper),
            points: Arc::<PointMemMgr>::default(),
            settings: stream_settings(config),
        });
        let accounts = Accounts::new(
            AccountDeps {
                accounts: accounts_store.clone(),
                credentials: Arc::new(db::AccountCredentials::new(database.clone())),
                passwords: Arc::new(
                    Argon2Passwords::new(password_settings(config))
                        .context("argon2: the parameters are not valid")?,
                ),
                guesses: Arc::new(EmbeddedPasswordBudgets::new(auth.guesses)),
                portraits: Arc::new(Portraits::new(portrait_settings(&config.limits))),
                pictures: Arc::new(db::Avatars::new(database.clone())),
                families: families.clone(),
                revocations: revocations.clone(),
                observer: Arc::new(sessions.clone()),
                tokens: tokens.clone(),
                secrets: secrets.clone(),
                ids: ids.clone(),
                clock: clock.clone(),
            },
            AccountPolicy {
                guests: auth.guests,
                nickname_max: config.limits.nickname,
            },
        );
        let idempotency = Idempotency {
            answers: Arc::new(db::Answers::new(database.clone())),
            secrets: secrets.clone(),
            ids: ids.clone(),
            clock: clock.clone(),
            max_call_time: config.limits.request_timeout + CALL_MARGIN,
            process: ids.next_id(),
        };
        let EventBus::Sql = config.events.bus;
        let events = Arc::new(db::Events::new(database.clone()));
        let sequencer = Sequencer::new(
            events.clone(),
            Arc::new(db::DatabaseLeases::new(database.clone())),
        );
        let event_upkeep = EventUpkeep::new(
            events,
            Arc::new(db::EventDeadLetters::new(database.clone())),
            clock.clone(),
        );
        let retention = Retention {
            sessions: sessions.clone(),
            directory: directory.clone(),
            log: stores.log.clone(),
            accounts: accounts_store.clone(),
            families,
            clock: clock.clone(),
        };
        let face_sessions = FaceSessions::new(
            FaceSessionDeps {
                sessions: sessions.clone(),
                directory: directory.clone(),
                codes: codes.clone(),
                invites,
                accounts: accounts_store,
                tokens: tokens.clone(),
                secrets,
                ids: ids.clone(),
                clock: clock.clone(),
                projector: projector.clone(),
                budgets: budgets.clone(),
                addresses: addresses.clone(),
                contacts: Arc::new(NoContacts),
            },
            face_session_policy(config, code_policy),
        );
        Ok(Self {
            clients: ConnClients {
                sessions: sessions.clone(),
                codec,
                tokens,
                revocations: revocations.clone(),
                ids: ids.clone(),
            },
            revocations,
            door: Arc::new(AdmissionWatch::new(
                budgets,
                addresses.clone(),
                sessions.clone(),
                clock.clone(),
            )),
            code_expiry: Arc::new(CodeExpiry::new(
                sessions.clone(),
                codes.clone(),
                clock.clone(),
            )),
            code_purge: CodePurge {
                codes,
                clock: clock.clone(),
                policy: code_policy,
            },
            sessions,
            projector,
            background: CancellationToken::new(),
            tokens: paseto,
            secrets: sealed,
            accounts: Arc::new(accounts),
            face_sessions: Arc::new(face_sessions),
            addresses,
            clock,
            ids,
            directory,
            retention,
            idempotency,
            sequencer,
            event_upkeep,
        })
    }

    /// Starts the background jobs.
    pub(crate) fn spawn_background(
        &self,
        jobs: &Jobs,
        lifecycle: &Lifecycle,
        stores: &Stores,
        reload: Reload,
    ) {
        let draining = || lifecycle.draining.clone();
        jobs.run(
            "directory",
            self.background.clone(),
            with_clone_of(self.projector.clone(), async |it| it.follow().await),
        );
        jobs.every(
            "number codes",
            CODE_PURGE_INTERVAL,
            draining(),
            with_clone_of(self.code_purge.clone(), async |it| it.tick().await),
        );
        jobs.every(
            "expired number codes",
            CODE_EXPIRY_INTERVAL,
            draining(),
            with_clone_of(self.code_expiry.clone(), async |it| it.tick().await),
        );
        let cron = FaceCronTask {
            sessions: self.sessions.clone(),
            directory: self.directory.clone(),
            projector: self.projector.clone(),
            clock: self.clock.clone(),
        };
        jobs.every(
            "sessions",
            CRON_INTERVAL,
            draining(),
            with_clone_of(cron, async |it| it.tick().await),
        );
        jobs.every(
            "door",
            ADMISSION_WATCH_INTERVAL,
            draining(),
            with_clone_of(self.door.clone(), async |it| it.tick().await),
        );
        let revoked = CloseRevoked {
            sessions: self.sessions.clone(),
            revocations: self.revocations.clone(),
        };
        jobs.run(
            "revocations",
            lifecycle.hard.clone(),
            with_clone_of(revoked, async |it| it.follow().await),
        );
        jobs.every(
            "idempotency",
            PURGE_INTERVAL,
            draining(),
            with_clone_of(self.idempotency.clone(), async |it| it.purge().await),
        );
        jobs.every(
            "retention",
            RETENTION_INTERVAL,
            draining(),
            with_clone_of(self.retention.clone(), async |it| it.tick().await),
        );
        jobs.run(
            "event log",
            self.background.clone(),
            with_clone_of(self.sequencer.clone(), async |it| it.follow().await),
        );
        jobs.every(
            "event figures",
            FIGURES_INTERVAL,
            draining(),
            with_clone_of(self.event_upkeep.clone(), async |it| it.measure().await),
        );
        jobs.every(
            "event upkeep",
            UPKEEP_INTERVAL,
            draining(),
            with_clone_of(self.event_upkeep.clone(), async |it| it.purge().await),
        );
        let reload = (Arc::new(reload), lifecycle.reload.clone());
        jobs.run(
            "reload",
            draining(),
            with_clone_of(reload, async |(it, requested)| it.follow(&requested).await),
        );
        let (log, closing) = (stores.log.clone(), self.background.clone());
        jobs.run_essential("session log", self.background.clone(), async move {
            let _ = closing.run_until_cancelled(log.ended()).await;
        });
    }

    /// The routers of the listener for clients and of the listener for operators.
    pub(crate) fn routers(
        &self,
        config: &Config,
        listen: SocketAddr,
        jobs: &Jobs,
        lifecycle: &Lifecycle,
        stores: &Stores,
        metrics: PrometheusHandle,
    ) -> (faceshare_routes::Router, faceshare_routes::Router) {
        let http = &config.http;
        let state = AppState {
            accounts: self.accounts.clone(),
            face_sessions: self.face_sessions.clone(),
            clock: self.clock.clone(),
            idempotency: self.idempotency.clone(),
            avatar_uploads: UploadLimits {
                bytes: config.limits.avatar_bytes,
                idle: config.limits.avatar_idle,
            },
            account_limits: AccountLimits::new(config.limits.http_per_account),
            links: Arc::new(Links::new(
                LinkSettings {
                    public_url: http.public_url.clone(),
                    allowed_hosts: http.allowed_hosts.clone(),
                    listen,
                    tls: config.tls.files.is_some(),
                },
                LocalMachine::this(),
            )),
            draining: lifecycle.draining.clone(),
        };
        let origins = AllowedOrigins::new(&http.cors_origins, http.public_url.as_deref());
        let stream = websocketcontroller::routes(StreamState {
            clients: self.clients.clone(),
            addresses: self.addresses.clone(),
            permits: StreamPermits::new(stream_quotas(&config.limits)),
            clock: self.clock.clone(),
            frame_max: config.limits.frame_in,
            origins: origins.clone(),
            draining: lifecycle.draining.clone(),
            hard: lifecycle.hard.clone(),
            tracker: lifecycle.tracker.clone(),
        });
        let policy = HttpPolicy {
            origins,
            request_body: config.limits.request_body,
            classic: config.classic.enabled.then_some(ClassicRules {
                reveal_unknown_user: config.classic.reveal_unknown_user,
            }),
            request_headers: config.limits.header_bytes,
            address_limits: AddressLimits::new(address_rates(&config.limits)),
            request_timeout: config.limits.request_timeout,
            discard: DiscardUnread {
                bytes: config.limits.discard_bytes,
                timeout: config.limits.discard_timeout,
            },
        };
        let checks: Arc<[Arc<dyn ReadinessCheck>]> = Arc::new([
            Arc::new(DatabaseCheck(stores.database.clone())),
            Arc::new(LogCheck(stores.log.clone())),
        ]);
        let ops = |metrics| Ops {
            draining: lifecycle.draining.clone(),
            checks: checks.clone(),
            jobs: Arc::new(jobs.clone()),
            metrics,
        };
        let proxies = faceshare_routes::TrustedProxies::from_networks(http.trusted_proxies.clone());
        let observer = Observer::new(self.ids.clone(), proxies, self.clock.clone());
        let (public, private) = if http.ops_listen.is_some() {
            (None, Some(metrics))
        } else {
            (Some(metrics), None)
        };
        let outer = match &config.tls.files {
            Some(_) => observer.clone().over_tls(config.tls.strict_transport),
            None => observer.clone(),
        };
        (
            faceshare_routes::app(state, stream, ops(public), &policy, outer),
            faceshare_routes::ops(ops(private), &policy, observer),
        )
    }
}

/// A closure that calls `work` with a new clone of `job` each time.
fn with_clone_of<J: Clone + Send + 'static, T: Future<Output = ()> + Send>(
    job: J,
    work: impl Fn(J) -> T + Send + 'static,
) -> impl FnMut() -> T + Send + 'static {
    move || work(job.clone())
}

const fn address_rates(limits: &Limits) -> AddressRates {
    AddressRates {
        requests: limits.http_per_address,
        guests: limits.guests_per_address,
        accounts: limits.accounts_per_address,
    }
}

/// The quotas of streams, in all and of each address, network and prefix.
fn stream_quotas(limits: &Limits) -> StreamQuotas {
    StreamQuotas {
        per_address: limits.streams_per_address,
        per_network: limits.streams_per_network,
        per_prefix: limits.streams_per_prefix,
        total: surroundings::streams_within(
            surroundings::descriptors(),
            limits.reserved_descriptors,
        ),
    }
}

/// The limits on the connections of each listener and on the bytes that they hold.
pub(crate) fn connection_limits(config: &Config) -> ConnectionLimits {
    let limits = &config.limits;
    ConnectionLimits {
        connections: limits.connections,
        per_address: limits.connections_per_address,
        per_network: limits.connections_per_network,
        per_prefix: limits.connections_per_prefix,
        answer_timeout: limits.answer_timeout,
        unread_bytes: limits.unread_bytes,
        unread_bytes_per_address: limits.unread_bytes_per_address,
        unread_bytes_per_network: limits.unread_bytes_per_network,
        unread_bytes_total: limits.unread_bytes_total,
        proxies: faceshare_routes::TrustedProxies::from_networks(
            config.http.trusted_proxies.clone(),
        ),
    }
}

const fn portrait_settings(limits: &Limits) -> PortraitSettings {
    PortraitSettings {
        pixels: limits.avatar_pixels,
        queue: limits.avatar_queue,
        per_account: limits.avatar_queue_per_account,
        per_address: limits.avatar_queue_per_address,
    }
}

fn password_settings(config: &Config) -> PasswordSettings {
    let argon2 = &config.argon2;
    let settings = PasswordSettings {
        memory_kib: argon2.memory_kib,
        iterations: argon2.iterations,
        parallelism: argon2.parallelism,
        concurrency: argon2.concurrency(),
        queue: argon2.queue,
        per_address: argon2.queue_per_address,
        per_network: argon2.queue_per_network,
    };
    if argon2.test_parameters {
        settings.weakened()
    } else {
        settings
    }
}

fn code_policy(config: &Config) -> CodePolicy {
    let codes = &config.number_code;
    CodePolicy {
        lifetime: codes.lifetime,
        max_lifetime: codes.max_lifetime,
        quarantine: codes.quarantine,
        refusal_time: codes.refusal_time,
    }
}

fn face_session_policy(config: &Config, codes: CodePolicy) -> FaceSessionPolicy {
    let limits = &config.limits;
    FaceSessionPolicy {
        live_per_host: u32::try_from(limits.live_sessions_per_host).unwrap_or(u32::MAX),
        title_max: limits.title,
        members_max: u32::try_from(limits.members_per_session).unwrap_or(u32::MAX),
        invite_ttl: config.auth.invite_ttl,
        codes,
        seats_per_address: limits.seats_per_address,
    }
}

fn stream_settings(config: &Config) -> StreamSettings {
    let limits = &config.limits;
    StreamSettings {
        rules: Rules {
            debounce: config.member.debounce,
            grace: config.member.grace,
            background_grace: config.member.background_grace,
            seat: config.member.seat,
            points_per_member: limits.points_per_member,
            host_left: config.auto_end.host_left,
            empty: config.auto_end.empty,
            knock: config.auth.wait_ttl,
            knocks: limits.knocks_per_session,
            knocks_per_address: limits.knocks_per_address,
            ..Rules::default()
        },
        resume: ResumeBounds {
            age: limits.resume_age,
            frames: u32::try_from(limits.resume_frames).unwrap_or(u32::MAX),
            bytes: limits.resume_bytes as u64,
        },
        heartbeat_interval: config.heartbeat.interval,
        heartbeat_timeout: config.heartbeat.timeout,
        queue_frames: limits.queue_frames,
        queue_bytes: limits.queue_bytes,
        frame_out: limits.frame_out,
        action_keys: limits.action_keys,
        action_bytes: limits.action_bytes,
        actions_per_second: limits.actions_per_second,
        ordered_per_second: limits.ordered_per_second,
        ordered_burst: limits.ordered_burst,
        follow_me_per_second: limits.follow_me_per_second,
        follow_me_burst: limits.follow_me_burst,
        actions_flood_per_second: limits.actions_flood_per_second,
        keepalives_per_second: limits.keepalives_per_second,
        refusals: limits.refusals,
        refusal_window: limits.refusal_window,
        bad_frames: limits.bad_frames,
        ..StreamSettings::default()
    }
}

struct DatabaseCheck(faceshare_repository::Database);

#[async_trait::async_trait]
impl ReadinessCheck for DatabaseCheck {
    fn name(&self) -> &'static str {
        "database"
    }

    async fn check(&self) -> faceshare_biz::Result<()> {
        self.0.ping().await
    }
}

struct LogCheck(Arc<faceshare_repository::EmbeddedLog>);

#[async_trait::async_trait]
impl ReadinessCheck for LogCheck {
    fn name(&self) -> &'static str {
        "session log"
    }

    async fn check(&self) -> faceshare_biz::Result<()> {
        if self.0.is_healthy() {
            Ok(())
        } else {
            Err(faceshare_biz::Error::unavailable(
                "the session log's writer has failed",
            ))
        }
    }
}
