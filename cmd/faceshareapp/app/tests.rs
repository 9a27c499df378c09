use super::serve_with;
use crate::config::Config;
use crate::exit_code;
use crate::logging::LogLevel;
use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A free address of loopback.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("an address")
}

fn variables(settings: &[(&str, String)]) -> Vec<(OsString, OsString)> {
    settings
        .iter()
        .map(|(key, value)| {
            (
                OsString::from(format!("FACESHARE__{key}")),
                OsString::from(value),
            )
        })
        .collect()
}

/// The server drains before it ends: it answers a request whose body arrives after the job has
/// failed.
#[tokio::test]
async fn the_loss_of_an_essential_job_ends_the_process_with_a_failure_after_a_drain() {
    let (dir, listen) = (tempfile::tempdir().expect("a directory"), free_address());
    let settings = [
        ("HTTP__LISTEN", listen.to_string()),
        ("DATA_DIR", dir.path().join("data").display().to_string()),
    ];
    let loaded = Config::load_from(None, variables(&settings)).expect("a configuration");
    let (lose, lost) = tokio::sync::oneshot::channel::<()>();
    let level = LogLevel::new("off").expect("a level");
    let served = async {
        serve_with(&loaded, &level, |jobs| {
            let failing = async move { lost.await.expect("told to fail") };
            jobs.run_essential(
                "a job of this test",
                tokio_util::sync::CancellationToken::new(),
                async move {
                    failing.await;
                    panic!("broken");
                },
            );
        })
        .await
    };
    let client = async {
        let body = r#"{"nickname": "Ann"}"#;
        let head = format!(
            "POST /v1/guests HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = loop {
            match TcpStream::connect(listen).await {
                Ok(stream) => break stream,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        stream.write_all(head.as_bytes()).await.expect("sent");
        // A second connection is answered once the first one's request is in service or about to
        // be.
        let mut other = TcpStream::connect(listen).await.expect("connected");
        other
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await
            .expect("sent");
        other.read_to_end(&mut Vec::new()).await.expect("answered");
        lose.send(()).expect("the job waits");
        stream.write_all(body.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("answered");
        String::from_utf8_lossy(&answer).into_owned()
    };
    let (served, answer) = tokio::join!(served, client);
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let error = served.expect_err("a failure");
    assert!(error.to_string().contains("a job of this test"), "{error}");
    assert_eq!(exit_code(Err(error)), ExitCode::FAILURE);
}
