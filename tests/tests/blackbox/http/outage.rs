//! Answers while the database cannot be written.

use super::accounts::QUICK;
use faceshare_tests::http::{Answer, send};
use faceshare_tests::server::Server;
use reqwest::Method;
use serde_json::json;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

/// Takes the write lock of a database, prints a line, and releases the lock when its input ends.
const TAKE_THE_WRITE_LOCK: &str = "
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute('BEGIN IMMEDIATE')
print('taken', flush=True)
sys.stdin.read()
";

/// Another process in the middle of a write, as a migration or a backup would be.
struct Writer(Child);

impl Writer {
    async fn begin(database: &Path) -> Self {
        let mut command = Command::new("python3");
        command
            .args(["-c", TAKE_THE_WRITE_LOCK])
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .expect("this test needs Python 3 on the PATH");
        let stdout = child.stdout.take().expect("stdout is piped");
        let said = BufReader::new(stdout)
            .lines()
            .next_line()
            .await
            .expect("it can be read");
        assert_eq!(said.as_deref(), Some("taken"));
        Self(child)
    }

    async fn end(mut self) {
        self.0
            .stdin
            .take()
            .expect("stdin is piped")
            .shutdown()
            .await
            .expect("it listens");
        assert!(self.0.wait().await.expect("it ends").success());
    }
}

#[tokio::test]
async fn the_classic_api_says_that_the_store_is_away_and_goes_on_when_it_is_back() {
    let server = Server::start_with(&[QUICK[0], QUICK[1], ("classic.enabled", "true")]).await;
    let http = server.http();
    let post = async |name: &str, cookie: &str, body| -> Answer {
        let request = http
            .request(Method::POST, &format!("/api/entrytask/user/{name}"))
            .header("cookie", cookie);
        send(request.json(&body)).await
    };
    let ann = json!({"username": "ann_1", "password": "secret"});
    assert_eq!(
        post("signup", "", ann.clone()).await.ok(200)["errCode"],
        "7"
    );
    let signed_in = post("signin", "", ann.clone()).await;
    let cookie = signed_in
        .header("set-cookie")
        .split(';')
        .next()
        .expect("a cookie")
        .to_owned();

    let writer = Writer::begin(&server.data_dir().join("data/faceshare.db")).await;
    let away = post("signin", "", ann.clone()).await;
    assert_eq!(
        away.ok(200),
        json!({"errCode": "1", "errMsg": "DataBaseError", "data": ""})
    );
    assert!(
        away.header("retry-after")
            .parse::<u64>()
            .is_ok_and(|seconds| seconds >= 1),
        "{away:?}"
    );
    assert!(!away.headers.contains_key("set-cookie"), "{away:?}");
    let info = send(
        http.request(Method::GET, "/api/entrytask/user/get_user_info")
            .header("cookie", &cookie),
    )
    .await;
    assert_eq!(info.ok(200)["errCode"], "7", "it is answered from memory");
    writer.end().await;
    assert_eq!(post("signin", "", ann).await.ok(200)["errCode"], "7");
}
