//! The terminal client: two terminals join one session.

use faceshare_tests::DEADLINE;
use faceshare_tests::programs::program;
use faceshare_tests::pty::Pty;
use faceshare_tests::server::Server;
use faceshare_tests::terminal::Terminal;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

/// The first separate group of 6 to 12 digits in a line, without spaces and hyphens between them.
pub(crate) fn code_in(line: &str) -> Option<String> {
    let joined: String = line.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    let digits = |c: char| !c.is_ascii_digit();
    joined
        .split(digits)
        .find(|part| (6..=12).contains(&part.len()))
        .map(str::to_owned)
}

#[tokio::test]
async fn two_terminals_meet_by_the_code_one_presents_the_other_follows() {
    let server = Server::start().await;
    let mut host = Terminal::open(
        &server,
        &["create", "--plain", "--nickname", "Ann", "--title", "Draft"],
    );
    let line = host.log.text("number code").await;
    let code = code_in(&line).unwrap_or_else(|| panic!("no code in {line:?}"));
    let mut guest = Terminal::open(&server, &["join", &code, "--plain", "--nickname", "Ben"]);
    host.log.text("Ben joined").await;
    guest.log.text("Ann [").await;
    host.say("present").await;
    guest.log.text("Ann presents").await;
    guest.say("follow Ann").await;
    host.log.text("Ben follows Ann").await;
    host.say("page 4").await;
    guest.log.text("Ann is at page 4").await;
    guest.say("quit").await;
    assert!(guest.end().await, "{}", guest.log.tail());
    host.log.text("Ben left").await;
    host.say("quit").await;
    assert!(host.end().await, "{}", host.log.tail());
}

#[tokio::test]
async fn a_person_who_knocks_waits_until_the_host_decides_at_the_terminal() {
    let server = Server::start().await;
    let mut host = Terminal::open(
        &server,
        &["create", "--plain", "--nickname", "Ann", "--approval"],
    );
    let code = code_in(&host.log.text("number code").await).expect("a code");
    let join =
        |nickname| Terminal::open(&server, &["join", &code, "--plain", "--nickname", nickname]);
    let mut ben = join("Ben");
    ben.log.text("waiting at the door").await;
    host.log.text("Ben waits at the door").await;
    host.say("admit").await;
    host.log.text("Ben may come in").await;
    host.log.text("Ben joined").await;
    ben.log.text("Ann [").await;
    let mut eve = join("Eve");
    host.log.text("Eve waits at the door").await;
    host.say("deny eve").await;
    host.log.text("Eve was not let in").await;
    assert!(!eve.end().await, "{}", eve.log.tail());
    eve.log.text("the host did not let you in").await;
    ben.say("admit").await;
    ben.log.text("no one waits at the door").await;
}

#[tokio::test]
async fn a_signal_restores_the_terminal() {
    let server = Server::start().await;
    for signal in ["TERM", "INT", "HUP", "QUIT"] {
        let pty = Pty::open();
        let before = pty.modes();
        let mut host = Command::new(program("facesharectl"))
            .args(["create", "--nickname", "Ann", "--server", &server.url()])
            .stdin(pty.stdio())
            .stdout(pty.stdio())
            .stderr(pty.stdio())
            .kill_on_drop(true)
            .spawn()
            .expect("facesharectl starts");
        pty.until_taken().await;
        pty.until("its own name in the list of members", |output| {
            output.contains("Ann")
        })
        .await;
        assert_ne!(pty.modes(), before, "the terminal is in raw mode");
        let pid = host.id().expect("it runs").to_string();
        assert!(
            Command::new("kill")
                .args([&format!("-{signal}"), &pid])
                .status()
                .await
                .expect("kill runs")
                .success()
        );
        let ended = timeout(DEADLINE, host.wait())
            .await
            .expect("it ends in time")
            .expect("it can be waited for");
        assert!(ended.success(), "{signal}: {ended}");
        pty.is_as_before(before).await;
        pty.until("how it ended", |output| output.contains("You left."))
            .await;
    }
}

/// The JSON lines with a number code of the session, in order.
fn codes_in(lines: &[String]) -> Vec<String> {
    let lines = lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter_map(|line| line["numberCode"]["code"].as_str().map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn lines_of_json_have_the_number_code_and_the_one_that_a_rotation_made() {
    let server = Server::start().await;
    let mut host = Terminal::open(&server, &["create", "--json", "--nickname", "Ann"]);
    let line = host.log.line(|line| line["numberCode"].is_object()).await;
    let first = line["numberCode"]["code"]
        .as_str()
        .expect("a code")
        .to_owned();
    assert!(
        line["numberCode"]["expiresAt"]
            .as_str()
            .is_some_and(|at| at.ends_with('Z')),
        "{line}"
    );
    let mut guest = Terminal::open(&server, &["join", &first, "--json", "--nickname", "Ben"]);
    host.log
        .line(|line| line["memberJoin"]["member"]["nickname"] == "Ben")
        .await;
    assert_eq!(
        guest.log.line(|line| line["numberCode"].is_object()).await["numberCode"]["code"],
        first
    );
    host.say("rotate").await;
    host.log
        .line(|line| {
            line["numberCode"]["code"]
                .as_str()
                .is_some_and(|code| code != first)
        })
        .await;
    assert_eq!(codes_in(&host.log.lines()).len(), 2, "each code once");
    guest.say("quit").await;
    assert!(guest.end().await, "{}", guest.log.tail());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let mut server = Server::start().await;
    server.kill().await;
    let mut host = Terminal::open(&server, &["create", "--plain"]);
    assert!(!host.end().await);
    let line = host.log.text("cannot reach the server").await;
    assert!(
        line.contains(&server.url()) && line.contains("Connection refused"),
        "{line}"
    );
}

#[tokio::test]
async fn a_wrong_code_is_reported_and_fails() {
    let server = Server::start().await;
    let mut guest = Terminal::open(&server, &["join", "719428", "--plain", "--nickname", "Ben"]);
    assert!(!guest.end().await);
    guest.log.text("expired").await;
}

#[tokio::test]
async fn the_load_generator_delivers_everything_and_says_so_in_json() {
    let server = Server::start().await;
    let load = [
        "bench",
        "fanout",
        "--rooms",
        "2",
        "--members",
        "3",
        "--rate",
        "10",
        "--warmup",
        "0",
        "--duration",
        "1",
        "--json",
    ];
    let mut bench = Terminal::open(&server, &load);
    assert!(bench.end().await, "{}", bench.log.tail());
    let report = bench.log.line(|line| line["scenario"] == "fanout").await;
    assert_eq!(
        (&report["connections"], &report["rooms"], &report["members"]),
        (&json!(6), &json!(2), &json!(3)),
        "{report}"
    );
    for fault in [
        "lost",
        "repeated",
        "reordered",
        "misdirected",
        "refused",
        "disconnected",
    ] {
        assert_eq!(report[fault], 0, "{fault} in {report}");
    }
    assert!(
        report["deliveries"]
            .as_u64()
            .is_some_and(|deliveries| deliveries > 0),
        "{report}"
    );
    assert!(
        report["latency_p99_ms"].is_number() && report["server_cpu_s"].is_number(),
        "{report}"
    );
}

#[tokio::test]
async fn the_load_generator_brings_everybody_back_after_a_storm() {
    let server = Server::start().await;
    let load = [
        "bench",
        "storm",
        "--connections",
        "9",
        "--members",
        "3",
        "--warmup",
        "0",
        "--away",
        "0",
        "--window",
        "0.2",
        "--json",
    ];
    let mut bench = Terminal::open(&server, &load);
    assert!(bench.end().await, "{}", bench.log.tail());
    let report = bench.log.line(|line| line["scenario"] == "storm").await;
    assert_eq!(
        (&report["resumes"], &report["connections"], &report["lost"]),
        (&json!(9), &json!(9), &json!(0)),
        "{report}"
    );
}

#[tokio::test]
async fn the_load_generator_has_every_instruction_acknowledged_once() {
    let server = Server::start().await;
    let load = [
        "bench",
        "control",
        "--rooms",
        "2",
        "--members",
        "2",
        "--rate",
        "10",
        "--warmup",
        "0",
        "--duration",
        "1",
        "--json",
    ];
    let mut bench = Terminal::open(&server, &load);
    assert!(bench.end().await, "{}", bench.log.tail());
    let report = bench.log.line(|line| line["scenario"] == "control").await;
    assert!(
        report["commits"]
            .as_u64()
            .is_some_and(|commits| commits > 0),
        "{report}"
    );
    assert_eq!(
        report["frames_per_commit"], 2.0,
        "the instruction and what followed from it: {report}"
    );
}
