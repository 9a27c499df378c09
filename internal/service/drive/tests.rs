//! The agents under the contract, and what is particular to each.

use super::{EncryptedContent, FilesFolder, FilesFolderSettings, LocalDrive, RemoteDrive};
use agentclient::testing::{Received, TestAnswer, TestService};
use agentclient::{AgentClient, AgentSettings, Scheme};
use bytes::Bytes;
use driveapi::DriveClient;
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::AccountId;
use faceshare_biz::domain::drive::{
    ByteStream, ContentStore, DriveAgent, DriveFile, DriveFileId, DriveFiles, ObjectKey,
};
use faceshare_biz::domain::encs::DataKey;
use faceshare_contract::drive_files;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn folder(dir: &Path, min_free: u64) -> FilesFolder {
    let settings = FilesFolderSettings {
        dir: dir.to_owned(),
        min_free,
    };
    FilesFolder::open(settings).expect("a folder")
}

fn local() -> (LocalDrive, TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    (
        LocalDrive::open(folder(dir.path(), 0)).expect("a drive"),
        dir,
    )
}

/// A drive service that follows `api/drive.yaml`, with the file of the contract's suite.
async fn drive_service() -> TestService {
    let objects = Mutex::new(HashMap::new());
    TestService::start(move |request| {
        let secret = SecretString::from("s3cret");
        if !request.is_signed(Scheme::Kso1, "app", &secret, now()) {
            return TestAnswer::status(StatusCode::UNAUTHORIZED);
        }
        let file = format!("/v1/files/{}", drive_files::FILE);
        let owner = format!("?account={}", drive_files::OWNER);
        let mut objects = objects.lock().expect("a lock");
        match request.uri.strip_prefix("/v1/objects/") {
            Some(key) => object(request, key, &mut objects),
            None if request.uri == file.clone() + &owner => stat(),
            None if request.uri == format!("{file}/content{owner}") => {
                TestAnswer::Whole(StatusCode::OK, Vec::new(), drive_files::content().into())
            }
            None => TestAnswer::status(StatusCode::NOT_FOUND),
        }
    })
    .await
}

fn stat() -> TestAnswer {
    let content = drive_files::content();
    let answer = json!({
        "id": drive_files::FILE,
        "name": drive_files::NAME,
        "size": content.len(),
        "sha256": hex::encode(Sha256::digest(&content)),
    });
    TestAnswer::json(answer.to_string())
}

fn object(request: &Received, key: &str, objects: &mut HashMap<String, Bytes>) -> TestAnswer {
    let known = objects.get(key).cloned();
    match (&request.method, known) {
        (&Method::PUT, None) => {
            objects.insert(key.to_owned(), request.body.clone());
            TestAnswer::status(StatusCode::CREATED)
        }
        (&Method::PUT, Some(known)) if known == request.body => {
            TestAnswer::status(StatusCode::NO_CONTENT)
        }
        (&Method::PUT, Some(_)) => TestAnswer::status(StatusCode::CONFLICT),
        (_, None) => TestAnswer::status(StatusCode::NOT_FOUND),
        (&Method::DELETE, Some(_)) => {
            objects.remove(key);
            TestAnswer::status(StatusCode::NO_CONTENT)
        }
        (&Method::HEAD, Some(known)) => {
            let headers = vec![("content-length", known.len().to_string())];
            TestAnswer::Whole(StatusCode::OK, headers, known)
        }
        (_, Some(known)) => match request.header("range").strip_prefix("bytes=") {
            None => TestAnswer::Whole(StatusCode::OK, Vec::new(), known),
            Some(range) => part(&known, range),
        },
    }
}

fn part(known: &Bytes, range: &str) -> TestAnswer {
    let (first, last) = range.split_once('-').expect("a range");
    let (first, last): (usize, usize) = (first.parse().expect("a"), last.parse().expect("b"));
    if first >= known.len() {
        return TestAnswer::status(StatusCode::RANGE_NOT_SATISFIABLE);
    }
    let last = last.min(known.len() - 1);
    let range = format!("bytes {first}-{last}/{}", known.len());
    let headers = vec![("content-range", range)];
    TestAnswer::Whole(
        StatusCode::PARTIAL_CONTENT,
        headers,
        known.slice(first..=last),
    )
}

fn remote(service: &TestService) -> (RemoteDrive, TempDir) {
    // A second installation is refused, which is harmless: the tests may share one process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let secret = SecretString::from("s3cret");
    let settings = AgentSettings {
        breaker_failures: u32::MAX,
        ..AgentSettings::new("drive", service.url(), "app", secret)
    };
    let client = AgentClient::new(settings, Arc::new(now)).expect("a client");
    let dir = tempfile::tempdir().expect("a directory");
    let drive = RemoteDrive::new(folder(dir.path(), 0), DriveClient::new(client));
    (drive, dir)
}

mod s3;

mod local {
    faceshare_contract::drive_agent_contract!(async { super::local() });
}

mod remote {
    faceshare_contract::drive_agent_contract!(async {
        let service = super::drive_service().await;
        let (drive, dir) = super::remote(&service);
        (drive, (service, dir))
    });
}

mod encrypted {
    use super::super::EncryptedContent;

    faceshare_contract::content_store_contract!(async {
        let (drive, dir) = super::local();
        (EncryptedContent::new(std::sync::Arc::new(drive)), dir)
    });
}

mod remote_files {
    faceshare_contract::drive_files_contract!(async {
        let service = super::drive_service().await;
        let (drive, dir) = super::remote(&service);
        (drive, (service, dir))
    });
}

fn key() -> ObjectKey {
    ObjectKey::new("object").expect("a key")
}

fn streamed(bytes: &'static [u8]) -> ByteStream {
    stream::iter([Ok(Bytes::from_static(bytes))]).boxed()
}

fn entries(dir: &Path) -> usize {
    std::fs::read_dir(dir).expect("a folder").count()
}

#[tokio::test]
async fn objects_are_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    {
        let drive = LocalDrive::open(folder(dir.path(), 0)).expect("a drive");
        drive.put(&key(), streamed(b"bytes")).await.expect("stored");
    }
    let drive = LocalDrive::open(folder(dir.path(), 0)).expect("a drive");
    assert_eq!(drive.head(&key()).await.expect("an answer"), Some(5));
}

#[tokio::test]
async fn a_full_disk_is_unavailable_for_a_minute_and_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let full = LocalDrive::open(folder(dir.path(), u64::MAX)).expect("a drive");
    let error = full
        .put(&key(), streamed(b"bytes"))
        .await
        .expect_err("full");
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert_eq!(error.retry_after, Some(Duration::from_secs(60)));
    assert_eq!(entries(&dir.path().join("tmp")), 0);
    let error = folder(dir.path(), 0).check_room(u64::MAX).await;
    assert_eq!(error.expect_err("full").code, ErrorCode::Unavailable);

    let emptied = LocalDrive::open(folder(dir.path(), 0)).expect("a drive");
    emptied
        .put(&key(), streamed(b"bytes"))
        .await
        .expect("stored");
}

#[tokio::test]
async fn what_is_refused_leaves_no_file() {
    let (drive, dir) = local();
    drive.put(&key(), streamed(b"bytes")).await.expect("stored");
    drive
        .put(&key(), streamed(b"bytes"))
        .await
        .expect("the same");
    drive
        .put(&key(), streamed(b"other"))
        .await
        .expect_err("other");
    assert_eq!(entries(&dir.path().join("tmp")), 0);
    assert_eq!(entries(&dir.path().join("objects")), 1);
}

#[tokio::test]
async fn leftovers_are_swept_once_they_are_old() {
    let (drive, dir) = local();
    drive.put(&key(), streamed(b"bytes")).await.expect("stored");
    let left = dir.path().join("tmp").join("left");
    std::fs::write(&left, "half").expect("a leftover");
    let written = std::fs::metadata(&left)
        .and_then(|m| m.modified())
        .expect("a time");
    let folder = folder(dir.path(), 0);
    assert_eq!(folder.sweep_leftovers(written).await.expect("swept"), 0);
    let later = written + Duration::from_secs(1);
    assert_eq!(folder.sweep_leftovers(later).await.expect("swept"), 1);
    assert!(!left.exists());
    assert_eq!(drive.head(&key()).await.expect("an answer"), Some(5));
}

#[tokio::test]
async fn an_object_that_was_cut_on_the_disk_is_no_shorter_object() {
    let (drive, dir) = local();
    drive.put(&key(), streamed(b"bytes")).await.expect("stored");
    let reading = drive.get(&key(), Some(1..5)).await.expect("an answer");
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(dir.path().join("objects/object"))
        .expect("the file");
    file.set_len(2).expect("cut");
    let read: Result<Vec<Bytes>, _> = reading.expect("there").try_collect().await;
    read.expect_err("cut while it is read");
}

#[tokio::test]
async fn content_that_was_changed_at_rest_is_never_read() {
    let (drive, dir) = local();
    let store = EncryptedContent::new(Arc::new(drive));
    let data_key = DataKey::filled(|bytes| bytes.fill(7));
    let object = store.new_object();
    let name = object.key().clone();
    let content = stream::iter([Ok(Bytes::from(vec![1; 200_000]))]).boxed();
    store
        .put(object, Some(&data_key), content)
        .await
        .expect("stored");
    let path = dir.path().join("objects").join(name.as_str());
    let stored = std::fs::read(&path).expect("the object");
    assert!(!stored.windows(16).any(|window| window == [1; 16]));

    for at in [0, 100_000, stored.len() - 1] {
        let mut changed = stored.clone();
        changed[at] ^= 1;
        std::fs::write(&path, &changed).expect("changed");
        let read = store.get(&name, Some(&data_key), 200_000, 0..200_000).await;
        let read = read.expect("an answer").expect("there");
        let read: Result<Vec<Bytes>, _> = read.try_collect().await;
        assert_eq!(read.expect_err("changed").code, ErrorCode::Internal, "{at}");
    }
    // The chunks that are as they were are still read.
    let read = store.get(&name, Some(&data_key), 200_000, 0..1_000).await;
    let read: Result<Vec<Bytes>, _> = read.expect("an answer").expect("there").try_collect().await;
    assert_eq!(read.expect("unchanged").concat(), vec![1; 1_000]);
}

#[tokio::test]
async fn failures_of_the_service_are_unavailable_with_a_time_to_wait() {
    let another_range = vec![("content-range", "bytes 1-3/5".to_owned())];
    let bytes = Bytes::from_static(b"byte");
    for fault in [
        TestAnswer::status(StatusCode::FORBIDDEN),
        TestAnswer::status(StatusCode::BAD_GATEWAY),
        TestAnswer::Whole(StatusCode::OK, Vec::new(), bytes.clone()),
        TestAnswer::Whole(StatusCode::PARTIAL_CONTENT, Vec::new(), bytes.clone()),
        TestAnswer::Whole(StatusCode::PARTIAL_CONTENT, another_range, bytes),
    ] {
        let service = TestService::start(move |_| fault.clone()).await;
        let (drive, _dir) = remote(&service);
        let Err(error) = drive.get(&key(), Some(0..4)).await else {
            panic!("{:?} is no answer", service.received());
        };
        assert_eq!(error.code, ErrorCode::Unavailable);
        assert!(error.retry_after.is_some());
    }
}

#[tokio::test]
async fn a_failed_put_is_repeated_and_leaves_no_file() {
    let service = TestService::start(|_| TestAnswer::status(StatusCode::BAD_GATEWAY)).await;
    let (drive, dir) = remote(&service);
    let error = drive
        .put(&key(), streamed(b"bytes"))
        .await
        .expect_err("502");
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert_eq!(service.received().len(), 3);
    assert_eq!(entries(&dir.path().join("tmp")), 0);
}

#[tokio::test]
async fn an_answer_that_is_not_the_file_is_a_failure() {
    for answer in [
        json!({"id": "other", "name": "n", "size": 1}),
        json!({"id": drive_files::FILE, "name": "n", "size": -1}),
        json!({"id": drive_files::FILE, "size": 1}),
        json!({"id": drive_files::FILE, "name": "n", "size": 1, "sha256": "00"}),
    ] {
        let text = answer.to_string();
        let service = TestService::start(move |_| TestAnswer::json(text.clone())).await;
        let (drive, _dir) = remote(&service);
        let account = AccountId::new(drive_files::OWNER).expect("not zero");
        let id = DriveFileId::new(drive_files::FILE).expect("an id");
        let error = drive.stat(account, &id).await.expect_err("no file");
        assert_eq!(error.code, ErrorCode::Unavailable, "{answer}");
    }
}

#[tokio::test]
async fn content_that_breaks_off_is_never_a_shorter_file() {
    let part = Bytes::from_static(b"half");
    let cut = TestAnswer::Cut(8, part.clone());
    let short = TestAnswer::Whole(StatusCode::OK, Vec::new(), part);
    for fault in [cut, short] {
        let service = TestService::start(move |_| fault.clone()).await;
        let (drive, _dir) = remote(&service);
        let account = AccountId::new(drive_files::OWNER).expect("not zero");
        let file = DriveFile {
            id: DriveFileId::new(drive_files::FILE).expect("an id"),
            name: String::new(),
            size: 8,
            sha256: None,
        };
        let read = drive.read(account, &file).await.expect("an answer");
        let read: Result<Vec<Bytes>, _> = read.expect("there").try_collect().await;
        assert_eq!(read.expect_err("half").code, ErrorCode::Unavailable);
    }
}
