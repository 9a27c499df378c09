//! A server that the generator starts: on free ports, with a temporary data folder and the limits
//! that the scenario needs.

use anyhow::{Context as _, Result, bail, ensure};
use std::fs::File;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const START_TIMEOUT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A running server. Dropping it kills it and deletes its data.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
    _data: TempDir,
}

impl Server {
    /// Starts the server, bound to `core` if given, and waits until it listens. Prints the changed
    /// limits to stderr.
    pub(super) fn start(
        program: &Path,
        core: Option<u32>,
        limits: &[(&str, u64)],
        set: &[String],
    ) -> Result<Self> {
        let program = program
            .canonicalize()
            .with_context(|| program.display().to_string())?;
        let data = TempDir::new()?;
        let raised = raised(&effective(&program, data.path())?, limits);
        let (http, grpc) = (free_port()?, free_port()?);
        let mut command = match core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &core.to_string()]).arg(&program);
                command
            }
            None => Command::new(&program),
        };
        let log = data.path().join("server.log");
        command
            .arg("serve")
            .current_dir(data.path())
            .env("FACESHARE__HTTP__LISTEN", http.to_string())
            .env("FACESHARE__GRPC__LISTEN", grpc.to_string())
            .env("FACESHARE__DATA_DIR", data.path().join("data"))
            .envs(
                raised
                    .iter()
                    .map(|(key, value)| (variable(key), value.clone())),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?);
        for setting in set {
            let (key, value) = setting
                .split_once('=')
                .with_context(|| format!("--set {setting}: not KEY=VALUE"))?;
            command.env(variable(key), value);
        }
        print_raised(&raised)?;
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut server = Self {
            child,
            address: http,
            _data: data,
        };
        server.until_listening(&log)?;
        Ok(server)
    }

    fn until_listening(&mut self, log: &Path) -> Result<()> {
        let started = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if self.child.try_wait()?.is_some() || started.elapsed() > START_TIMEOUT {
                bail!(
                    "the server does not start:\n{}",
                    std::fs::read_to_string(log).unwrap_or_default()
                );
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The data is deleted, so there is no need to drain.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The effective configuration, as the server's `check-config` prints it.
fn effective(program: &Path, folder: &Path) -> Result<String> {
    let output = Command::new(program)
        .arg("check-config")
        .current_dir(folder)
        .output()
        .with_context(|| program.display().to_string())?;
    ensure!(
        output.status.success(),
        "{} check-config: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The limits that this server has and that are lower than needed.
fn raised(effective: &str, limits: &[(&str, u64)]) -> Vec<(String, String)> {
    let section = effective.split("[limits]").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let current = |key: &str| {
        section.lines().find_map(|line| {
            line.split_once(" = ")
                .filter(|(name, _)| *name == key)?
                .1
                .parse::<u64>()
                .ok()
        })
    };
    let too_low = |key: &str, needed: u64| {
        current(key).is_some_and(|now| now < needed && !(now == 0 && key.ends_with("_per_address")))
    };
    let raised = limits.iter().filter(|(key, needed)| too_low(key, *needed));
    raised
        .map(|(key, needed)| (format!("limits.{key}"), needed.to_string()))
        .collect()
}

fn print_raised(raised: &[(String, String)]) -> Result<()> {
    let changes: Vec<String> = raised
        .iter()
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    let changes = if changes.is_empty() {
        "none".to_owned()
    } else {
        changes.join(", ")
    };
    Ok(writeln!(std::io::stderr(), "limits raised: {changes}")?)
}

/// `limits.action_keys` → `FACESHARE__LIMITS__ACTION_KEYS`.
fn variable(key: &str) -> String {
    format!("FACESHARE__{}", key.replace('.', "__").to_uppercase())
}

fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::{raised, variable};

    #[test]
    fn only_limits_that_exist_and_are_too_low_are_raised() {
        let effective = "[member]\nx = 1\n\n[limits]\nmembers_per_session = 500\naction_keys = 16\nhttp_per_address = 0\n\n[log]\nlevel = \"info\"\n";
        let limits = [
            ("members_per_session", 1000),
            ("action_keys", 16),
            ("http_per_address", 1_000_000),
            ("unheard_of", 5),
        ];
        assert_eq!(
            raised(effective, &limits),
            [("limits.members_per_session".to_owned(), "1000".to_owned())]
        );
        assert_eq!(
            variable("limits.action_keys"),
            "FACESHARE__LIMITS__ACTION_KEYS"
        );
    }
}
