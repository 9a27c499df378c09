//! One server process on free ports and with its own folder.

use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::DEADLINE;
use crate::http::Http;
use crate::programs::program;

/// How many of the last lines a failed test shows of the server's log.
const SHOWN_LINES: usize = 40;

/// Rates that are off unless a test sets them.
const UNLIMITED: [&str; 4] = [
    "limits.http_per_address",
    "limits.http_per_account",
    "limits.guests_per_address",
    "limits.accounts_per_address",
];

/// A running `faceshareapp serve`. Dropping it kills the process and deletes its data.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// A pipe that is never read, for tests of a stalled reader.
    _unread: Option<ChildStderr>,
    log: Log,
    data: TempDir,
    settings: Vec<(String, String)>,
    http: String,
    grpc: String,
}

impl Server {
    /// Starts a server with the built-in defaults.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with settings by their keys, e.g. `("member.grace", "1s")`.
    ///
    /// # Panics
    /// When it does not listen before the deadline.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_by(settings, |command| command).await
    }

    /// Starts a server that may open so many descriptors.
    ///
    /// # Panics
    /// When it does not listen before the deadline.
    pub async fn start_with_descriptors(most: usize, settings: &[(&str, &str)]) -> Self {
        let limited = |command: Command| {
            let command = command.as_std();
            let mut shell = Command::new("sh");
            shell
                .arg("-c")
                .arg(format!("ulimit -n {most}; exec \"$0\" \"$@\""))
                .arg(command.get_program())
                .args(command.get_args())
                .envs(
                    command
                        .get_envs()
                        .filter_map(|(key, value)| Some((key, value?))),
                );
            if let Some(folder) = command.get_current_dir() {
                shell.current_dir(folder);
            }
            with_pipes(shell)
        };
        Self::start_by(settings, limited).await
    }

    async fn start_by(settings: &[(&str, &str)], change: impl FnOnce(Command) -> Command) -> Self {
        let data = TempDir::new().expect("a temporary folder");
        let settings: Vec<_> = settings
            .iter()
            .map(|(key, value)| (variable(key), (*value).to_owned()))
            .collect();
        let command = command(&["serve"], &data, &settings, "127.0.0.1:0", "127.0.0.1:0");
        let (child, log) = spawn(change(command));
        let mut server = Self {
            child,
            _unread: None,
            log,
            data,
            settings,
            http: String::new(),
            grpc: String::new(),
        };
        server.until_listening().await;
        server
    }

    /// Starts a server whose log goes to a pipe that is never read.
    ///
    /// # Panics
    /// When it does not answer before the deadline.
    pub async fn start_with_unread_log(settings: &[(&str, &str)]) -> Self {
        let data = TempDir::new().expect("a temporary folder");
        let settings: Vec<_> = settings
            .iter()
            .map(|(key, value)| (variable(key), (*value).to_owned()))
            .collect();
        let free = TcpListener::bind("127.0.0.1:0")
            .await
            .and_then(|listener| listener.local_addr())
            .expect("a free port");
        let http = free.to_string();
        let mut child = command(&["serve"], &data, &settings, &http, "")
            .spawn()
            .expect("faceshareapp starts");
        let unread = child.stderr.take();
        let server = Self {
            child,
            _unread: unread,
            log: Log::new(),
            data,
            settings,
            http,
            grpc: String::new(),
        };
        let answers = async {
            while server
                .http()
                .request(Method::GET, "/healthz")
                .send()
                .await
                .is_err()
            {}
        };
        timeout(DEADLINE, answers)
            .await
            .expect("it answers in time");
        server
    }

    /// Changes a setting. It applies at the next start.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.retain(|(name, _)| *name != variable(key));
        self.settings.push((variable(key), value.to_owned()));
    }

    /// Starts the server again on the same ports and data. The previous process must have ended.
    ///
    /// # Panics
    /// When it does not listen before the deadline.
    pub async fn restart(&mut self) {
        let (http, grpc) = (&self.http, &self.grpc);
        let command = command(&["serve"], &self.data, &self.settings, http, grpc);
        (self.child, self.log) = spawn(command);
        self.until_listening().await;
    }

    async fn until_listening(&mut self) {
        let line = self.log.line(|line| line["message"] == "listening").await;
        let address = |name: &str| {
            line[name]
                .as_str()
                .unwrap_or_else(|| panic!("no {name} in {line}"))
                .to_owned()
        };
        (self.http, self.grpc) = (address("http"), address("grpc"));
    }

    /// A client of its HTTP API.
    #[must_use]
    pub fn http(&self) -> Http {
        Http::new(&format!("http://{}", self.http))
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// `http://127.0.0.1:port` of the gRPC listener.
    #[must_use]
    pub fn grpc_url(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// The folder that it keeps its data in.
    #[must_use]
    pub fn data_dir(&self) -> &std::path::Path {
        self.data.path()
    }

    /// Its log so far.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Sends SIGKILL and waits until the process has ended.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("the server runs");
    }

    /// Its process' id.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    /// Its memory in use, in bytes.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))
            .expect("the server runs");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("a process has memory");
        1024 * line
            .trim()
            .trim_end_matches(" kB")
            .parse::<u64>()
            .expect("a number")
    }

    /// Sends SIGTERM.
    pub async fn terminate(&self) {
        self.signal("-TERM").await;
    }

    /// Sends SIGSTOP, which stops the process until [`go_on`](Self::go_on).
    pub async fn stop(&self) {
        self.signal("-STOP").await;
    }

    /// Sends SIGCONT, which continues the process.
    pub async fn go_on(&self) {
        self.signal("-CONT").await;
    }

    async fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill")
            .args([signal, &pid])
            .status()
            .await
            .expect("kill runs");
        assert!(status.success(), "kill {signal} {pid}");
    }

    /// Waits until it has ended by itself.
    pub async fn exit(&mut self) -> ExitStatus {
        timeout(DEADLINE, self.child.wait())
            .await
            .expect("the server ends in time")
            .expect("the server can be waited for")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- the server's log, its last lines:\n{}\n---",
                self.log.tail()
            );
        }
    }
}

/// Runs `faceshareapp serve` with settings that must stop its start. Returns its status and its
/// output.
pub async fn refused_start(settings: &[(&str, &str)]) -> (ExitStatus, String) {
    ended(&["serve"], settings).await
}

/// Runs `faceshareapp` with arguments with which it ends by itself. Returns its status and its
/// output.
pub async fn ended(arguments: &[&str], settings: &[(&str, &str)]) -> (ExitStatus, String) {
    let data = TempDir::new().expect("a temporary folder");
    let settings: Vec<_> = settings
        .iter()
        .map(|(key, value)| (variable(key), (*value).to_owned()))
        .collect();
    let mut command = command(arguments, &data, &settings, "127.0.0.1:0", "127.0.0.1:0");
    let output = timeout(DEADLINE, command.output())
        .await
        .expect("it ends in time")
        .expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status, String::from_utf8_lossy(&said).into_owned())
}

/// `member.grace` → `FACESHARE__MEMBER__GRACE`.
fn variable(key: &str) -> String {
    format!("FACESHARE__{}", key.replace('.', "__").to_uppercase())
}

fn command(
    arguments: &[&str],
    data: &TempDir,
    settings: &[(String, String)],
    http: &str,
    grpc: &str,
) -> Command {
    let mut command = Command::new(program("faceshareapp"));
    command
        .args(arguments)
        .current_dir(data.path())
        .env("FACESHARE__HTTP__LISTEN", http)
        .env("FACESHARE__GRPC__LISTEN", grpc)
        .env("FACESHARE__DATA_DIR", data.path().join("data"))
        .env("FACESHARE__LOG__FORMAT", "json")
        // All clients of a test share one address.
        .envs(UNLIMITED.map(|key| (variable(key), "0")))
        .envs(settings.iter().map(|(key, value)| (key, value)));
    with_pipes(command)
}

/// Pipes the output, and ends the process with the test.
fn with_pipes(mut command: Command) -> Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn spawn(mut command: Command) -> (Child, Log) {
    let mut child = command.spawn().expect("faceshareapp starts");
    let log = Log::of(&mut child);
    (child, log)
}

/// The output of a process, line by line.
#[derive(Clone, Debug)]
pub struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    count: watch::Sender<usize>,
}

impl Log {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self {
            lines: Arc::default(),
            count: watch::Sender::new(0),
        }
    }

    /// Collects the piped stdout and stderr of a process.
    ///
    /// # Panics
    /// When they are not piped or are already collected.
    #[must_use]
    pub fn of(child: &mut Child) -> Self {
        let log = Self::new();
        log.follow(child.stdout.take().expect("stdout is piped"));
        log.follow(child.stderr.take().expect("stderr is piped"));
        log
    }

    /// Collects the lines of `stream` until it ends.
    pub fn follow(&self, stream: impl AsyncRead + Unpin + Send + 'static) {
        let log = self.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                log.lines.lock().expect("no writer panics").push(line);
                log.count.send_modify(|count| *count += 1);
            }
        });
    }

    /// Every line so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no writer panics").clone()
    }

    /// The last lines, for messages.
    #[must_use]
    pub fn tail(&self) -> String {
        let lines = self.lines();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }

    /// Waits for the first line (old or new) that is JSON and for which `wanted` is true.
    pub async fn line(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let parsed = |line: &str| {
            serde_json::from_str::<Value>(line)
                .ok()
                .filter(|line| wanted(line))
        };
        self.find(0, parsed).await
    }

    /// Like [`line`](Self::line), but ignores the first `passed` lines.
    pub async fn line_after(&self, passed: usize, wanted: impl Fn(&Value) -> bool) -> Value {
        let parsed = |line: &str| {
            serde_json::from_str::<Value>(line)
                .ok()
                .filter(|line| wanted(line))
        };
        self.find(passed, parsed).await
    }

    /// Waits for the first line (old or new) that contains `text`.
    pub async fn text(&self, text: &str) -> String {
        self.find(0, |line| line.contains(text).then(|| line.to_owned()))
            .await
    }

    async fn find<T>(&self, passed: usize, wanted: impl Fn(&str) -> Option<T>) -> T {
        let mut count = self.count.subscribe();
        let search = async {
            let mut seen = passed;
            loop {
                let lines = self.lines();
                if let Some(found) = lines[seen..].iter().find_map(|line| wanted(line)) {
                    return found;
                }
                seen = lines.len();
                count
                    .wait_for(|count| *count > seen)
                    .await
                    .expect("the sender lives as long as the log");
            }
        };
        let found = timeout(DEADLINE, search).await;
        found.unwrap_or_else(|_| panic!("the line never came; the last ones are:\n{}", self.tail()))
    }
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}
