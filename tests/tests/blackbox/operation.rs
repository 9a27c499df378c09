//! Operation: the log, the start, and reloads of the configuration.

use std::fs;
use std::path::Path;

use faceshare_tests::Format;
use faceshare_tests::meeting::Meeting;
use faceshare_tests::server::{Server, ended, refused_start};
use faceshare_tests::socket::Socket;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

/// A pipe holds 64 KiB, and each of these requests is a line of a few hundred bytes.
const REQUESTS: usize = 1_000;

#[tokio::test]
async fn a_stalled_reader_of_the_log_blocks_no_request_no_stream_and_no_shutdown() {
    // Streams and drains are logged too.
    let server = Server::start_with_unread_log(&[("log.level", "debug")]).await;
    let http = server.http();
    for _ in 0..REQUESTS {
        http.call(Method::GET, "/v1/nothing", None, None)
            .await
            .problem(404, "NOT_FOUND");
    }
    http.call(Method::GET, "/healthz", None, None).await.ok(200);
    let mut meeting = Meeting::created(server, Format::Json, json!({})).await;
    let mut host = Socket::connect(&meeting.websocket_url, Format::Json, &meeting.tokens[0]).await;
    host.acked(json!({"followMe": {"invite": "ASK"}})).await;
    // More than the log's queue holds.
    for _ in 0..6 * REQUESTS {
        http.call(Method::GET, "/v1/nothing", None, None)
            .await
            .problem(404, "NOT_FOUND");
    }
    let metrics = http.call(Method::GET, "/metrics", None, None).await.text;
    let dropped = metrics
        .lines()
        .find(|line| line.starts_with("faceshare_log_lines_dropped_total{"))
        .expect("lines were dropped");
    assert!(dropped.contains("stderr"), "{dropped}");

    meeting.server.terminate().await;
    host.expect_close(1012).await;
    assert!(meeting.server.exit().await.success());
}

#[tokio::test]
async fn an_address_that_is_taken_stops_the_start_by_its_key_before_anything_is_written() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = taken.local_addr().expect("an address").to_string();
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    for key in ["http.listen", "http.ops_listen", "grpc.listen"] {
        let (status, said) = refused_start(&[(key, &address), ("data_dir", text(&data))]).await;
        assert!(!status.success());
        let last: Value = serde_json::from_str(said.lines().last().expect("a line"))
            .expect("in the format of the log");
        let message = last["message"].as_str().expect("a message");
        assert!(
            message.contains(&format!(
                "cannot listen on {address} ({key}): Address already in use"
            )),
            "{message}"
        );
        assert_eq!(last["level"], "ERROR");
        assert!(!data.exists(), "{key}");
    }
}

#[tokio::test]
async fn a_refused_configuration_is_reported_in_the_format_of_the_log() {
    let (_, said) = refused_start(&[("limits.title", "0")]).await;
    let line: Value = serde_json::from_str(said.trim()).expect("one line of JSON");
    assert!(
        line["message"]
            .as_str()
            .is_some_and(|message| message.contains("limits.title")),
        "{said}"
    );
}

#[tokio::test]
async fn check_config_fails_where_a_start_would() {
    let (status, _) = ended(&["check-config"], &[]).await;
    assert!(status.success());
    let (status, said) = ended(
        &["check-config"],
        &[
            ("tls.cert", "/nowhere/cert.pem"),
            ("tls.key", "/nowhere/key.pem"),
        ],
    )
    .await;
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("tls.cert: /nowhere/cert.pem: "), "{said}");
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_named_once_with_its_path() {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    for (file, said_of) in [
        ("sessions.db", "cannot open the session log"),
        ("faceshare.db", "cannot open the database"),
    ] {
        let _ = fs::remove_dir_all(&data);
        fs::create_dir(&data).expect("made");
        fs::write(
            data.join(file),
            "this is no database, and long enough to be looked at as one".repeat(100),
        )
        .expect("written");
        let (status, said) = refused_start(&[("data_dir", text(&data))]).await;
        assert!(!status.success());
        let last = said.lines().last().expect("a line");
        let path = data.join(file);
        assert!(
            last.contains(&format!("{said_of} {}", path.display()))
                && last.matches(text(&path)).count() == 1,
            "{last}"
        );
        assert!(!last.contains("database.url"), "it is not set: {last}");
    }
    let _ = fs::remove_dir_all(&data);
    fs::create_dir(&data).expect("made");
    fs::write(data.join("auth.keys"), "junk\n").expect("written");
    let (_, said) = refused_start(&[("data_dir", text(&data))]).await;
    let last = said.lines().last().expect("a line");
    assert!(
        last.contains("data/auth.keys: key 1") && last.matches("expected").count() == 1,
        "{last}"
    );
}

#[tokio::test]
async fn the_log_of_the_start_is_short_and_ends_with_an_address_to_open() {
    let server = Server::start().await;
    let ready = server
        .log()
        .line(|line| {
            line["message"]
                .as_str()
                .is_some_and(|message| message.starts_with("ready"))
        })
        .await;
    assert!(
        ready["message"]
            .as_str()
            .is_some_and(|message| message.ends_with(&format!("{}/docs", server.url()))),
        "{ready}"
    );
    let lines = server.log().lines();
    assert!(
        !lines.iter().any(|line| line.contains("migration")),
        "{lines:#?}"
    );
    let starting = server
        .log()
        .line(|line| line["message"] == "starting")
        .await;
    assert!(
        starting["open_files"]
            .as_u64()
            .is_some_and(|files| files > 0),
        "{starting}"
    );
}

#[tokio::test]
async fn sessions_and_members_are_logged_by_ids_and_nothing_else_of_them() {
    let (meeting, sockets) = Meeting::of(Format::Json, 2).await;
    meeting
        .http
        .post(&meeting.path("/end"), meeting.access(0), json!({}))
        .await
        .ok(204);
    let log = meeting.server.log();
    let of_session = |line: &Value, message: &str| {
        line["message"] == message && line["session"] == json!(meeting.id)
    };
    log.line(|line| {
        of_session(line, "session opened") && line["host"] == json!(sockets[0].member())
    })
    .await;
    for (index, socket) in sockets.iter().enumerate() {
        let is_its = |line: &Value| {
            of_session(line, "member joined") && line["member"] == json!(socket.member())
        };
        assert_eq!(log.line(is_its).await["members"], index + 1);
    }
    let end = log.line(|line| of_session(line, "session ended")).await;
    assert_eq!(end["reason"], "HostEnded");
    for line in log.lines() {
        let secrets = [
            &meeting.tokens[0],
            &meeting.tokens[1],
            &meeting.guests[0].access,
            &meeting.guests[1].refresh,
        ];
        assert!(
            !secrets.iter().any(|secret| line.contains(secret.as_str())),
            "{line}"
        );
        assert!(
            !line.contains("guest 1") && !line.contains("Review"),
            "{line}"
        );
        let mut line: Value = serde_json::from_str(&line).expect("JSON");
        line.as_object_mut().expect("an object").remove("timestamp");
        let numbers = line.to_string();
        assert!(
            !numbers
                .split(|c: char| !c.is_ascii_digit())
                .any(|number| number == meeting.code),
            "{line}"
        );
    }
}

#[tokio::test]
async fn sighup_applies_the_level_names_other_changes_and_ignores_an_invalid_file() {
    let mut server = Server::start().await;
    let file = server.data_dir().join("conf/app.toml");
    let write = |text: &str| {
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(&file, text).expect("written");
    };
    write("[limits]\ntitle = 50");
    server.kill().await;
    server.restart().await;
    let http = server.http();

    write("[limits]\ntitle = 60\n[log]\nlevel = \"debug\"");
    hang_up(&server).await;
    let warning = server
        .log()
        .line(|line| line["level"] == "WARN" && line["keys"].is_string())
        .await;
    assert_eq!(warning["keys"], "limits.title");
    http.call(Method::GET, "/healthz", None, None).await.ok(200);
    server
        .log()
        .line(|line| line["level"] == "DEBUG" && line["message"] == "request answered")
        .await;

    write("[log]\nlevel = \"warn\"\n[limits]\ntitle = 0");
    hang_up(&server).await;
    let error = server.log().line(|line| line["level"] == "ERROR").await;
    assert!(
        error["error"]
            .as_str()
            .is_some_and(|error| error.contains("limits.title")),
        "{error}"
    );
    let lines = server.log().lines().len();
    http.call(Method::GET, "/healthz", None, None).await.ok(200);
    server
        .log()
        .line_after(lines, |line| line["message"] == "request answered")
        .await;
}

#[tokio::test]
async fn a_lost_session_log_is_logged_and_its_sessions_have_ended() {
    let (mut meeting, sockets) = Meeting::of(Format::Json, 2).await;
    drop(sockets);
    meeting.server.kill().await;
    for file in ["sessions.db", "sessions.db-wal", "sessions.db-shm"] {
        let _ = fs::remove_file(meeting.server.data_dir().join("data").join(file));
    }
    meeting.server.restart().await;
    let warning = meeting
        .server
        .log()
        .line(|line| line["level"] == "WARN" && line["missing"].is_string())
        .await;
    assert_eq!(warning["sessions"], 1);
    assert!(
        warning["missing"]
            .as_str()
            .is_some_and(|file| file.ends_with("data/sessions.db")),
        "{warning}"
    );

    let read = meeting
        .http
        .get(&meeting.path(""), meeting.access(0))
        .await
        .ok(200);
    assert_eq!(
        (
            &read["faceSession"]["status"],
            &read["faceSession"]["endReason"]
        ),
        (&json!("ENDED"), &json!("PLATFORM"))
    );
    let newcomer = meeting.http.guest("late").await;
    meeting
        .http
        .prejoin(&newcomer, &meeting.code)
        .await
        .problem(404, "NUMBER_CODE_NOT_JOINABLE");
}

#[tokio::test]
async fn metrics_hold_the_figures_of_the_process_under_their_usual_names() {
    let server = Server::start().await;
    let http = server.http();
    let text = http.call(Method::GET, "/metrics", None, None).await.text;
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|value| value.trim().parse::<f64>().ok());
        value.unwrap_or_else(|| panic!("no {name} in {text}"))
    };
    let statm = fs::read_to_string(format!("/proc/{}/statm", server.pid())).expect("its pages");
    let pages: f64 = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("resident pages");
    let resident = value("process_resident_memory_bytes ");
    let expected = pages * 4096.0;
    assert!(
        (expected / 2.0..expected * 2.0).contains(&resident),
        "{resident} bytes, {expected} in /proc"
    );
    assert!(value("process_cpu_seconds_total ") > 0.0);
    assert!(value("process_virtual_memory_bytes ") > resident);
    assert!(value("process_open_fds ") >= 3.0);
    assert!(value("process_max_fds ") >= value("process_open_fds "));
    assert!(value("process_threads ") >= 1.0);
    let keys = fs::metadata(server.data_dir().join("data/auth.keys")).expect("made at the start");
    let made = keys
        .modified()
        .expect("a time")
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs_f64();
    let before = made - value("process_start_time_seconds ");
    assert!(
        (-2.0..60.0).contains(&before),
        "made {before} s after the start"
    );
    assert!(text.contains("# TYPE process_cpu_seconds_total counter\n"));
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(
            line.is_empty() || line.starts_with("faceshare_") || line.starts_with("process_"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn the_programs_name_the_commit_that_they_were_built_from() {
    let (status, said) = ended(&["--version"], &[]).await;
    assert!(status.success());
    let commit = said
        .trim()
        .strip_suffix(')')
        .and_then(|said| said.rsplit_once('('))
        .expect("a commit")
        .1;
    assert!(
        commit == "unknown" || commit.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{said}"
    );
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

async fn hang_up(server: &Server) {
    let status = Command::new("kill")
        .args(["-HUP", &server.pid().to_string()])
        .status()
        .await
        .expect("kill runs");
    assert!(status.success());
}
