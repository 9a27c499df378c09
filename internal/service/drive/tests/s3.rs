//! Objects in an S3-compatible store: a real server, which `scripts/services` starts.

use super::super::{S3Drive, S3Settings};
use super::{folder, key, streamed};
use agentclient::testing::{TestAnswer, TestService};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::drive::DriveAgent;
use http::StatusCode;
use secrecy::SecretString;
use std::time::Duration;
use tempfile::TempDir;

fn endpoint() -> String {
    std::env::var("FACESHARE_TEST_S3").unwrap_or_else(|_| "http://127.0.0.1:5005".to_owned())
}

fn settings(endpoint: String, bucket: String) -> S3Settings {
    S3Settings {
        endpoint,
        region: "us-east-1".to_owned(),
        bucket,
        access_key: "test".to_owned(),
        secret_key: SecretString::from("test"),
        path_style: true,
        prefix: "faceshare/objects".to_owned(),
        connect_timeout: Duration::from_secs(2),
        idle: Duration::from_secs(30),
    }
}

fn drive(settings: &S3Settings) -> (S3Drive, TempDir) {
    // A second installation is refused, which is harmless: the tests may share one process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().expect("a directory");
    let drive = S3Drive::new(folder(dir.path(), 0), settings).expect("a drive");
    (drive, dir)
}

/// A drive over a new bucket of the server.
async fn fresh() -> (S3Drive, TempDir) {
    let bucket = format!("faceshare-{:016x}", rand::random::<u64>());
    let settings = settings(endpoint(), bucket);
    let drive = drive(&settings);
    let made = reqwest::Client::new()
        .put(format!("{}/{}", settings.endpoint, settings.bucket))
        .send()
        .await
        .expect("an S3-compatible store, started by scripts/services");
    assert_eq!(made.status(), StatusCode::OK);
    drive
}

faceshare_contract::drive_agent_contract!(fresh());

#[tokio::test]
async fn a_store_that_fails_is_unavailable_and_leaves_no_file() {
    let service = TestService::start(|_| TestAnswer::status(StatusCode::BAD_GATEWAY)).await;
    let (drive, dir) = drive(&settings(service.url(), "bucket".to_owned()));
    let error = drive.put(&key(), streamed(b"bytes")).await;
    let error = error.expect_err("502");
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert!(error.retry_after.is_some());
    assert!(!format!("{error:?}").contains("secret"));
    let left = std::fs::read_dir(dir.path().join("tmp")).expect("a folder");
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_unavailable() {
    let (drive, _dir) = drive(&settings(endpoint(), "no-such-bucket".to_owned()));
    let error = drive.put(&key(), streamed(b"bytes")).await;
    assert_eq!(error.expect_err("no bucket").code, ErrorCode::Unavailable);
}
