//! The terminal client, as somebody would use it: two terminals meet.

use std::process::Stdio;

use faceshare_tests::DEADLINE;
use faceshare_tests::programs::program;
use faceshare_tests::server::{Log, Server};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

/// One terminal: lines in, lines out.
struct Terminal {
    child: Child,
    stdin: ChildStdin,
    log: Log,
}

impl Terminal {
    fn open(server: &Server, arguments: &[&str]) -> Self {
        let mut child = Command::new(program("facesharectl"))
            .args(arguments)
            .args(["--plain", "--server", &server.url()])
            .current_dir(server.data_dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("facesharectl starts");
        let log = Log::new();
        log.follow(child.stdout.take().expect("stdout is piped"));
        log.follow(child.stderr.take().expect("stderr is piped"));
        let stdin = child.stdin.take().expect("stdin is piped");
        Self { child, stdin, log }
    }

    async fn say(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.expect("it listens");
        self.stdin.flush().await.expect("it listens");
    }

    async fn exit(mut self) {
        drop(self.stdin);
        let status = timeout(DEADLINE, self.child.wait()).await.expect("it ends in time").expect("it can be waited for");
        assert!(status.success(), "{status}: {}", self.log.tail());
    }
}

/// The first 6 to 12 digits that stand by themselves in a line, spaces and hyphens between them ignored.
fn code_in(line: &str) -> Option<String> {
    let joined: String = line.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    let digits = |c: char| !c.is_ascii_digit();
    joined.split(digits).find(|part| (6..=12).contains(&part.len())).map(str::to_owned)
}

#[tokio::test]
async fn two_terminals_meet_by_the_code_one_presents_the_other_follows() {
    let server = Server::start().await;
    let mut host = Terminal::open(&server, &["create", "--nickname", "Ann", "--title", "Draft"]);
    let line = host.log.text("number code").await;
    let code = code_in(&line).unwrap_or_else(|| panic!("no code in {line:?}"));
    let mut guest = Terminal::open(&server, &["join", &code, "--nickname", "Ben"]);
    host.log.text("Ben joined").await;
    guest.log.text("Ann [").await;
    host.say("present").await;
    guest.log.text("Ann presents").await;
    guest.say("follow Ann").await;
    host.log.text("Ben follows Ann").await;
    host.say("page 4").await;
    guest.log.text("Ann is at page 4").await;
    guest.say("quit").await;
    guest.exit().await;
    host.log.text("Ben left").await;
    host.say("quit").await;
    host.exit().await;
}

#[tokio::test]
async fn a_code_that_opens_nothing_is_said_and_fails() {
    let server = Server::start().await;
    let mut guest = Terminal::open(&server, &["join", "719428", "--nickname", "Ben"]);
    let status = timeout(DEADLINE, guest.child.wait()).await.expect("it ends in time").expect("it can be waited for");
    assert!(!status.success());
    guest.log.text("expired").await;
}
