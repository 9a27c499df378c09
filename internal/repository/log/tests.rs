//! The contract suite over the embedded log, and what only this adapter promises.

use super::{EmbeddedLog, store};
use crate::contract::session_log::{LogBed, append, session, session_log_contract};
use crate::sqlite::Synchronous;
use bytes::Bytes;
use faceshare_biz::domain::instruction::{AppendError, SessionLog};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// A folder, on a machine that was booted some number of times.
struct Bed {
    folder: TempDir,
    boot: u32,
    synchronous: Synchronous,
}

impl Bed {
    fn new(synchronous: Synchronous) -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), boot: 1, synchronous }
    }

    async fn log(&self) -> EmbeddedLog {
        let boot = Some(format!("boot {}", self.boot));
        EmbeddedLog::open_under_boot(self.folder.path(), self.synchronous, boot).await.expect("opened")
    }

    /// The files as they are now, whatever has them open: what the kernel would show the next process.
    fn copied(&self, boot: u32) -> Self {
        let copy = Self { boot, ..Self::new(self.synchronous) };
        for file in ["sessions.db", "sessions.db-wal"] {
            std::fs::copy(self.folder.path().join(file), copy.folder.path().join(file)).expect("copied");
        }
        copy
    }
}

impl LogBed for Bed {
    async fn open(&self) -> Arc<dyn SessionLog> {
        Arc::new(self.log().await)
    }

    async fn killed(&self) -> Self {
        self.copied(self.boot)
    }

    async fn rebooted(&self) -> Self {
        self.copied(self.boot + 1)
    }
}

session_log_contract!(async { (Bed::new(Synchronous::Normal), ()) });

fn alter(folder: &Path, statement: &str) {
    let connection = Connection::open(folder.join("sessions.db")).expect("opened beside");
    connection.execute_batch(statement).expect("altered");
    connection.close().expect("closed");
}

#[tokio::test]
async fn a_log_written_with_full_synchronisation_is_never_suspect() {
    let bed = Bed::new(Synchronous::Full);
    let log = bed.log().await;
    log.append(append(1, "a", 0, 2)).await.expect("appended");
    let after = bed.copied(2).log().await;
    assert!(!after.load(session(1)).await.expect("loaded").expect("a log").suspect);
}

#[tokio::test]
async fn closing_commits_what_waits_and_lets_the_next_process_in() {
    let bed = Bed::new(Synchronous::Normal);
    let log = Arc::new(bed.log().await);
    let waiting: Vec<_> = (1..=100)
        .map(|of| {
            let log = Arc::clone(&log);
            tokio::spawn(async move { log.append(append(of, "a", 0, 1)).await })
        })
        .collect();
    // On one thread: the appends are in the queue once each of them has had its turn.
    tokio::task::yield_now().await;
    log.close().await;
    log.close().await;
    for appended in waiting {
        appended.await.expect("joined").expect("appended");
    }
    assert!(!log.is_healthy());
    assert!(matches!(log.append(append(1, "a", 1, 1)).await, Err(AppendError::Unavailable(_))));
    assert!(log.load(session(1)).await.is_err());
    assert_eq!(bed.log().await.sessions().await.expect("listed").len(), 100);
}

#[tokio::test]
async fn a_failed_commit_is_unavailable_to_all_in_it_and_the_log_recovers() {
    let bed = Bed::new(Synchronous::Normal);
    let log = bed.log().await;
    log.append(append(1, "a", 0, 1)).await.expect("appended");
    alter(bed.folder.path(), "ALTER TABLE entries RENAME TO elsewhere");
    let (of_one, of_two) = tokio::join!(log.append(append(1, "a", 1, 1)), log.append(append(2, "a", 0, 1)));
    assert!(matches!((of_one, of_two), (Err(AppendError::Unavailable(_)), Err(AppendError::Unavailable(_)))));
    assert!(!log.is_healthy());
    alter(bed.folder.path(), "ALTER TABLE elsewhere RENAME TO entries");
    log.append(append(1, "a", 1, 1)).await.expect("the end is where it was");
    log.append(append(2, "a", 0, 1)).await.expect("nothing was left of it");
    assert!(log.is_healthy());
}

#[tokio::test]
async fn after_a_full_disk_has_room_again_the_log_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store::open(folder.path(), Synchronous::Normal, None).await.expect("opened");
    store.connection.pragma_update(None, "max_page_count", 50).expect("bounded");
    let log = EmbeddedLog::over(store);
    let large = |of, expected| {
        let mut large = append(of, "a", expected, 1);
        large.records[0].payload = Bytes::from(vec![0; 20_000]);
        large
    };
    let mut kept = 0;
    let full = loop {
        match log.append(large(1, kept)).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, AppendError::Unavailable(_)) && kept > 0, "{full}");
    assert!(log.append(large(2, 0)).await.is_err() && !log.is_healthy());
    assert_eq!(log.load(session(1)).await.expect("loaded").expect("a log").records.len(), usize::try_from(kept).expect("a count"));
    log.delete(session(1)).await.expect("room is made");
    log.append(large(2, 0)).await.expect("the log goes on");
    assert!(log.is_healthy());
}

#[test]
fn when_the_writer_dies_appends_are_unavailable_and_it_shows() {
    let bed = Bed::new(Synchronous::Normal);
    let writers = tokio::runtime::Runtime::new().expect("a runtime");
    let log = writers.block_on(async {
        let log = bed.log().await;
        log.append(append(1, "a", 0, 1)).await.expect("appended");
        log
    });
    assert!(log.is_healthy());
    // Its task is dropped where it stands, as a panic would do.
    drop(writers);
    assert!(!log.is_healthy());
    let callers = tokio::runtime::Runtime::new().expect("a runtime");
    callers.block_on(async {
        assert!(matches!(log.append(append(1, "a", 1, 1)).await, Err(AppendError::Unavailable(_))));
        assert!(log.delete(session(1)).await.is_err());
        let next = bed.log().await;
        assert_eq!(next.load(session(1)).await.expect("loaded").expect("a log").records.len(), 1);
    });
}

#[tokio::test]
async fn a_log_with_a_hole_is_an_error_and_not_a_shorter_log() {
    let bed = Bed::new(Synchronous::Normal);
    let log = bed.log().await;
    log.append(append(1, "a", 0, 4)).await.expect("appended");
    for damage in ["DELETE FROM entries WHERE idx = 4", "DELETE FROM entries WHERE idx = 2"] {
        alter(bed.folder.path(), damage);
        assert!(log.load(session(1)).await.is_err(), "{damage}");
    }
}
