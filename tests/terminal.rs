//! A process of the terminal client in line mode.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use crate::DEADLINE;
use crate::programs::program;
use crate::server::{Log, Server};

/// A running `facesharectl`.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    stdin: ChildStdin,
    /// Its output.
    pub log: Log,
}

impl Terminal {
    /// Starts `facesharectl` with these arguments, for this server.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn open(server: &Server, arguments: &[&str]) -> Self {
        let mut child = Command::new(program("facesharectl"))
            .args(arguments)
            .args(["--server", &server.url()])
            .current_dir(server.data_dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("facesharectl starts");
        let log = Log::of(&mut child);
        let stdin = child.stdin.take().expect("stdin is piped");
        Self { child, stdin, log }
    }

    /// Writes a line to its stdin.
    pub async fn say(&mut self, line: &str) {
        self.stdin
            .write_all(format!("{line}\n").as_bytes())
            .await
            .expect("it listens");
        self.stdin.flush().await.expect("it listens");
    }

    /// Sends a signal by its name, e.g. `STOP`.
    pub async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let status = Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status()
            .await
            .expect("kill runs");
        assert!(status.success(), "kill -{name} {pid}");
    }

    /// Waits until it has ended by itself. Returns whether it succeeded.
    pub async fn end(&mut self) -> bool {
        timeout(DEADLINE, self.child.wait())
            .await
            .expect("it ends in time")
            .expect("it can be waited for")
            .success()
    }
}
