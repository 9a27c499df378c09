//! The server's configuration: built-in defaults, overridden by a file, overridden by the
//! environment.
//!
//! Each section is a struct in its own file, which declares each key once (see [`section`]). A
//! loaded configuration is valid: every value is within its range, and no key of the file or of the
//! environment is unknown.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use config::{Map, Value};

mod argon2;
mod auth;
mod auto_end;
mod benchmark;
mod classic;
mod database;
mod drain;
mod duration;
mod events;
mod grpc;
mod heartbeat;
mod http;
mod keys;
mod later;
mod limits;
mod log;
mod member;
mod number_code;
mod problem;
mod report;
mod section;
mod source;
#[cfg(test)]
mod tests;
mod tls;

pub(crate) use self::{
    argon2::Argon2,
    auth::Auth,
    auto_end::AutoEnd,
    benchmark::Benchmark,
    classic::Classic,
    database::{Database, Synchronous},
    drain::Drain,
    events::{EventBus, Events},
    grpc::Grpc,
    heartbeat::Heartbeat,
    http::Http,
    keys::{existing_key_ring, key_file, key_ring},
    limits::Limits,
    log::{Log, LogFormat, LogRotation},
    member::Member,
    number_code::NumberCode,
    problem::Problems,
    report::Report,
    source::FileError,
    tls::Tls,
};
use self::{
    section::{Reader, Section},
    source::{KnownKeys, Layer},
};

/// The file that `serve` reads without `--config`, relative to the working directory.
pub(crate) const DEFAULT_FILE: &str = "conf/app.toml";

/// The shortest and the longest duration that most keys allow.
const SHORTEST: Duration = Duration::from_millis(100);
const DAY: Duration = Duration::from_hours(24);

/// Everything that an operator can set.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Directory of the embedded database, the session log and generated keys. The start creates it
    /// with mode 0700.
    pub(crate) data_dir: PathBuf,
    /// The HTTP and WebSocket listener.
    pub(crate) http: Http,
    /// The gRPC listener.
    pub(crate) grpc: Grpc,
    /// The SQL database.
    pub(crate) database: Database,
    /// Accounts, keys and the lifetimes of tokens.
    pub(crate) auth: Auth,
    /// How passwords are hashed.
    pub(crate) argon2: Argon2,
    /// How the server detects a dead connection.
    pub(crate) heartbeat: Heartbeat,
    /// How long a member outlives its connections.
    pub(crate) member: Member,
    /// When a session ends by itself.
    pub(crate) auto_end: AutoEnd,
    /// Number codes.
    pub(crate) number_code: NumberCode,
    /// Bounds on everything that a client can make the server hold or do.
    pub(crate) limits: Limits,
    /// TLS on the listeners.
    pub(crate) tls: Tls,
    /// Logging.
    pub(crate) log: Log,
    /// Shutting down.
    pub(crate) drain: Drain,
    /// The event log.
    pub(crate) events: Events,
    /// The calls of an older system.
    pub(crate) classic: Classic,
    /// Settings of a server that runs to be measured.
    pub(crate) benchmark: Benchmark,
}

/// A configuration and where it came from.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// The values in force.
    pub(crate) config: Config,
    /// The same as text with secrets masked. Values that differ from the default name their origin.
    pub(crate) report: Report,
    /// The file that was read, if any.
    pub(crate) file: Option<PathBuf>,
    /// A sentence for each environment variable that looks like a setting but is not read.
    pub(crate) warnings: Vec<String>,
}

/// Why the server does not start with this configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file and the environment cannot be merged.
    #[error("cannot merge the configuration: {0}")]
    Merge(#[from] config::ConfigError),
    /// All unknown keys and all values that are not allowed.
    #[error("the configuration is not valid:\n{problems}")]
    Invalid {
        /// What is wrong.
        problems: Problems,
        /// The valid `log.format`, or the default, for the error message itself.
        log_format: LogFormat,
    },
}

impl Config {
    /// Loads the configuration of `serve`: `file`, or [`DEFAULT_FILE`] if it exists, and the
    /// environment of this process.
    pub(crate) fn load(file: Option<&Path>) -> Result<Loaded, ConfigError> {
        let default = Path::new(DEFAULT_FILE);
        let file = file.or_else(|| default.is_file().then_some(default));
        Self::load_from(file, std::env::vars_os())
    }

    /// Loads from `file`, if any, and from `variables`, which stand for the environment.
    pub(crate) fn load_from(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Loaded, ConfigError> {
        let mut problems = Problems::default();
        let known = known_keys();
        let from_file = match file {
            Some(path) => source::read_file(path, &known, &mut problems)?,
            None => Layer::default(),
        };
        let variables: Vec<_> = variables.into_iter().collect();
        let warnings = source::misspelt_variables(variables.iter().map(|(name, _)| name), &known);
        let from_environment = source::read_environment(variables, &known, &mut problems);
        let values = source::merge([from_file, from_environment])?;

        let mut reader = Reader::new(&values);
        let config = Self::read(&mut reader);
        let (keys, more) = reader.finish();
        problems.extend(more);
        if !problems.is_empty() {
            return Err(ConfigError::Invalid {
                problems,
                log_format: config.log.format,
            });
        }
        Ok(Loaded {
            config,
            report: Report(keys),
            file: file.map(Path::to_owned),
            warnings,
        })
    }

    /// Reads every section. `check-config` prints them in this order.
    fn read(reader: &mut Reader<'_>) -> Self {
        let data_dir = data_dir(&mut reader.section(""));
        let benchmark = Benchmark::read(&mut reader.section("benchmark"));
        let config = Self {
            data_dir,
            http: Http::read(&mut reader.section("http")),
            grpc: Grpc::read(&mut reader.section("grpc")),
            database: Database::read(&mut reader.section("database")),
            auth: Auth::read(&mut reader.section("auth")),
            argon2: Argon2::read(&mut reader.section("argon2"), benchmark.enabled),
            heartbeat: Heartbeat::read(&mut reader.section("heartbeat")),
            member: Member::read(&mut reader.section("member")),
            auto_end: AutoEnd::read(&mut reader.section("auto_end")),
            number_code: NumberCode::read(&mut reader.section("number_code")),
            limits: Limits::read(&mut reader.section("limits")),
            tls: Tls::read(&mut reader.section("tls")),
            log: Log::read(&mut reader.section("log")),
            drain: Drain::read(&mut reader.section("drain")),
            events: Events::read(&mut reader.section("events")),
            classic: Classic::read(&mut reader.section("classic")),
            benchmark,
        };
        config.check_listeners(reader);
        config.check_benchmark(reader);
        later::read(reader);
        config
    }

    /// A server with weak password hashes must be reachable only from the machine that measures it.
    fn check_benchmark(&self, reader: &mut Reader<'_>) {
        let http = self.http.listen;
        if self.benchmark.enabled && !http.ip().is_loopback() {
            reader.section("benchmark").problem(
                "enabled",
                format!("is for loopback alone; http.listen is {http}"),
            );
        }
    }

    /// Refuses two listeners on one address. Without this check the second would fail to bind, with
    /// a less helpful error.
    fn check_listeners(&self, reader: &mut Reader<'_>) {
        let http = self.http.listen;
        if self.grpc.listen == Some(http) && http.port() != 0 {
            reader.section("grpc").problem(
                "listen",
                format!("{http} is http.listen already; choose another address or port"),
            );
        }
        let Some(ops) = self.http.ops_listen.filter(|ops| ops.port() != 0) else {
            return;
        };
        for (name, taken) in [
            ("http.listen", Some(http)),
            ("grpc.listen", self.grpc.listen),
        ] {
            if taken == Some(ops) {
                reader.section("http").problem(
                    "ops_listen",
                    format!("{ops} is {name} already; choose another address or port"),
                );
            }
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::read(&mut Reader::new(&Map::new()))
    }
}

fn known_keys() -> KnownKeys {
    let nothing = Map::<String, Value>::new();
    let mut reader = Reader::new(&nothing);
    Config::read(&mut reader);
    let (keys, _) = reader.finish();
    KnownKeys::new(keys.into_iter().map(|key| key.path))
}

fn data_dir(keys: &mut Section<'_, '_>) -> PathBuf {
    let parse = |text: &str| {
        if text.is_empty() {
            Err("is empty; expected a directory".to_owned())
        } else {
            Ok(PathBuf::from(text))
        }
    };
    keys.text("data_dir", PathBuf::from("data"), parse, |path| {
        path.display().to_string()
    })
}

/// The origin of the configuration, which `serve` logs.
impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{} and the environment", file.display()),
            None => f.write_str("built-in defaults and the environment"),
        }
    }
}
