//! The contract suite over the embedded log, and what only this adapter promises.

use super::{EmbeddedLog, store};
use crate::sqlite::Synchronous;
use bytes::Bytes;
use faceshare_biz::domain::instruction::{
    Append, AppendError, LogRecord, Seq, SessionLog, SnapshotRecord,
};
use faceshare_contract::session_log::{LogFixture, append, entry, epoch, session};
use faceshare_contract::session_log_contract;
use rusqlite::Connection;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// A folder with a log, on a machine that was booted `boot` times.
struct EmbeddedLogFixture {
    folder: TempDir,
    boot: u32,
    synchronous: Synchronous,
}

impl EmbeddedLogFixture {
    fn new(synchronous: Synchronous) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            boot: 1,
            synchronous,
        }
    }

    async fn log(&self) -> EmbeddedLog {
        let boot = Some(format!("boot {}", self.boot));
        EmbeddedLog::open_under_boot(self.folder.path(), self.synchronous, boot)
            .await
            .expect("opened")
    }

    /// A copy of the files as they are now, even while they are open: what the next process would
    /// find after a kill.
    fn copied(&self, boot: u32) -> Self {
        let copy = Self {
            boot,
            ..Self::new(self.synchronous)
        };
        for file in ["sessions.db", "sessions.db-wal"] {
            std::fs::copy(self.folder.path().join(file), copy.folder.path().join(file))
                .expect("copied");
        }
        copy
    }
}

impl LogFixture for EmbeddedLogFixture {
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

session_log_contract!(async { (EmbeddedLogFixture::new(Synchronous::Normal), ()) });

fn alter(folder: &Path, statement: &str) {
    let connection = Connection::open(folder.join("sessions.db")).expect("opened beside");
    connection.execute_batch(statement).expect("altered");
    connection.close().expect("closed");
}

fn count(folder: &Path, of: &str) -> i64 {
    let connection = Connection::open(folder.join("sessions.db")).expect("opened beside");
    connection
        .query_one(&format!("SELECT count(*) FROM {of}"), [], |row| row.get(0))
        .expect("counted")
}

#[tokio::test]
async fn a_log_written_with_full_synchronisation_is_never_suspect() {
    let fixture = EmbeddedLogFixture::new(Synchronous::Full);
    let log = fixture.log().await;
    log.append(append(1, "a", 0, 2)).await.expect("appended");
    let after = fixture.copied(2).log().await;
    assert!(
        !after
            .load(session(1))
            .await
            .expect("loaded")
            .expect("a log")
            .suspect
    );
}

/// A power cut takes what is added from here on; the mark is flushed before that.
#[tokio::test]
async fn a_log_written_with_full_synchronisation_is_suspect_once_it_may_have_continued_without() {
    let full = EmbeddedLogFixture::new(Synchronous::Full);
    full.log()
        .await
        .append(append(1, "a", 0, 2))
        .await
        .expect("appended");
    let fixture = EmbeddedLogFixture {
        synchronous: Synchronous::Normal,
        ..full.copied(1)
    };
    let _open = fixture.log().await;
    let after = fixture.copied(2).log().await;
    assert!(
        after
            .load(session(1))
            .await
            .expect("loaded")
            .expect("a log")
            .suspect
    );
}

#[tokio::test]
async fn a_deletion_leaves_nothing_of_a_log_that_was_not_merged() {
    let fixture = EmbeddedLogFixture::new(Synchronous::Normal);
    let log = fixture.log().await;
    for of in [1, 2] {
        for index in 0..3 {
            log.append(append(of, "a", index, 1))
                .await
                .expect("appended");
        }
    }
    assert!(count(fixture.folder.path(), "journal") > 0);
    log.delete(session(1)).await.expect("deleted");
    assert_eq!(count(fixture.folder.path(), "journal"), 0);
    assert!(log.load(session(1)).await.expect("loaded").is_none());
    let kept = log.load(session(2)).await.expect("loaded").expect("a log");
    assert_eq!(kept.records, append(2, "a", 0, 3).records);
    let again = fixture.copied(1).log().await;
    assert_eq!(
        again
            .load(session(2))
            .await
            .expect("loaded")
            .expect("a log")
            .records,
        kept.records
    );
}

#[tokio::test]
async fn closing_commits_what_waits_and_lets_the_next_process_in() {
    let fixture = EmbeddedLogFixture::new(Synchronous::Normal);
    let log = Arc::new(fixture.log().await);
    let waiting: Vec<_> = (1..=100)
        .map(|of| {
            let log = Arc::clone(&log);
            tokio::spawn(async move { log.append(append(of, "a", 0, 1)).await })
        })
        .collect();
    // On one thread: the appends are in the queue once each task has been polled.
    tokio::task::yield_now().await;
    log.close().await;
    log.close().await;
    for appended in waiting {
        appended.await.expect("joined").expect("appended");
    }
    assert!(!log.is_healthy());
    assert!(matches!(
        log.append(append(1, "a", 1, 1)).await,
        Err(AppendError::Unavailable(_))
    ));
    assert!(log.load(session(1)).await.is_err());
    assert_eq!(
        fixture.log().await.sessions().await.expect("listed").len(),
        100
    );
}

#[tokio::test]
async fn a_failed_commit_is_unavailable_to_all_in_it_and_the_log_recovers() {
    let fixture = EmbeddedLogFixture::new(Synchronous::Normal);
    let log = fixture.log().await;
    log.append(append(1, "a", 0, 1)).await.expect("appended");
    alter(
        fixture.folder.path(),
        "ALTER TABLE entries RENAME TO elsewhere",
    );
    let (of_one, of_two) = tokio::join!(
        log.append(append(1, "a", 1, 1)),
        log.append(append(2, "a", 0, 1))
    );
    assert!(matches!(
        (of_one, of_two),
        (
            Err(AppendError::Unavailable(_)),
            Err(AppendError::Unavailable(_))
        )
    ));
    assert!(!log.is_healthy());
    alter(
        fixture.folder.path(),
        "ALTER TABLE elsewhere RENAME TO entries",
    );
    log.append(append(1, "a", 1, 1))
        .await
        .expect("the end is where it was");
    log.append(append(2, "a", 0, 1))
        .await
        .expect("nothing was left of it");
    assert!(log.is_healthy());
}

#[tokio::test]
async fn after_a_full_disk_has_room_again_the_log_continues() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store::open(folder.path(), Synchronous::Normal, None)
        .await
        .expect("opened");
    store
        .connection
        .pragma_update(None, "max_page_count", 50)
        .expect("bounded");
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
    assert!(
        matches!(full, AppendError::Unavailable(_)) && kept > 0,
        "{full}"
    );
    assert!(log.append(large(2, 0)).await.is_err() && !log.is_healthy());
    assert_eq!(
        log.load(session(1))
            .await
            .expect("loaded")
            .expect("a log")
            .records
            .len(),
        usize::try_from(kept).expect("a count")
    );
    log.delete(session(1)).await.expect("room is made");
    log.append(large(2, 0)).await.expect("continued");
    assert!(log.is_healthy());
}

#[test]
fn when_the_writer_dies_appends_are_unavailable_and_the_log_is_unhealthy() {
    let fixture = EmbeddedLogFixture::new(Synchronous::Normal);
    let writers = tokio::runtime::Runtime::new().expect("a runtime");
    let log = writers.block_on(async {
        let log = fixture.log().await;
        log.append(append(1, "a", 0, 1)).await.expect("appended");
        log
    });
    assert!(log.is_healthy());
    // Its task is dropped at its next await, as by a panic.
    drop(writers);
    assert!(!log.is_healthy());
    let callers = tokio::runtime::Runtime::new().expect("a runtime");
    callers.block_on(async {
        log.ended().await;
        assert!(matches!(
            log.append(append(1, "a", 1, 1)).await,
            Err(AppendError::Unavailable(_))
        ));
        assert!(log.delete(session(1)).await.is_err());
        let next = fixture.log().await;
        assert_eq!(
            next.load(session(1))
                .await
                .expect("loaded")
                .expect("a log")
                .records
                .len(),
            1
        );
    });
}

#[tokio::test]
async fn a_log_with_a_hole_is_an_error_and_not_a_shorter_log() {
    let fixture = EmbeddedLogFixture::new(Synchronous::Normal);
    let log = fixture.log().await;
    log.append(append(1, "a", 0, 4)).await.expect("appended");
    for damage in [
        "DELETE FROM entries WHERE idx = 4",
        "DELETE FROM entries WHERE idx = 2",
    ] {
        alter(fixture.folder.path(), damage);
        assert!(log.load(session(1)).await.is_err(), "{damage}");
    }
}

#[tokio::test]
async fn entries_are_merged_many_at_a_time_and_all_of_them_at_close() {
    const LOGS: u64 = 20;
    let fixture = EmbeddedLogFixture::new(Synchronous::Normal);
    let log = fixture.log().await;
    for of in 1..=LOGS {
        log.append(append(of, "a", 0, 1)).await.expect("appended");
    }
    assert_eq!(
        count(fixture.folder.path(), "journal"),
        0,
        "a log begins in the file"
    );
    // Five times the journal's limit.
    for expected in 1..=260 {
        for of in 1..=LOGS {
            let mut more = append(of, "a", expected, 1);
            more.records[0].payload = Bytes::from(vec![7; 8 << 10]);
            log.append(more).await.expect("appended");
        }
        let pending = count(fixture.folder.path(), "journal");
        assert!(pending <= 1_025, "{pending} rows of over 8 KiB each");
    }
    let merged = count(fixture.folder.path(), "entries");
    assert!(merged > 0 && merged < 261 * 20, "{merged}");
    log.close().await;
    assert_eq!(
        (
            count(fixture.folder.path(), "journal"),
            count(fixture.folder.path(), "entries")
        ),
        (0, 261 * 20)
    );
}

#[tokio::test]
async fn a_commit_that_fails_leaves_what_was_pending_as_it_was() {
    let fixture = EmbeddedLogFixture::new(Synchronous::Normal);
    let log = fixture.log().await;
    log.append(append(1, "a", 0, 2)).await.expect("merged");
    log.append(append(1, "a", 2, 2)).await.expect("pending");
    for (table, lost) in [
        ("journal", append(1, "a", 4, 1)),
        ("entries", append(1, "b", 4, 1)),
    ] {
        alter(
            fixture.folder.path(),
            &format!("ALTER TABLE {table} RENAME TO elsewhere"),
        );
        assert!(
            matches!(log.append(lost).await, Err(AppendError::Unavailable(_))),
            "{table}"
        );
        alter(
            fixture.folder.path(),
            &format!("ALTER TABLE elsewhere RENAME TO {table}"),
        );
        assert_eq!(
            log.load(session(1))
                .await
                .expect("loaded")
                .expect("a log")
                .records,
            append(1, "a", 0, 4).records
        );
    }
    log.append(append(1, "a", 4, 1)).await.expect("continued");
    assert_eq!(
        fixture
            .copied(1)
            .log()
            .await
            .load(session(1))
            .await
            .expect("loaded")
            .expect("a log")
            .records,
        append(1, "a", 0, 5).records
    );
}

#[tokio::test]
async fn a_file_of_format_1_can_be_continued() {
    let fixture = EmbeddedLogFixture::new(Synchronous::Normal);
    let file = Connection::open(fixture.folder.path().join("sessions.db")).expect("made");
    file.execute_batch(
        "PRAGMA journal_mode = WAL;
        CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE entries (
            session INTEGER NOT NULL, idx INTEGER NOT NULL, epoch TEXT NOT NULL, last_seq INTEGER NOT NULL, at INTEGER NOT NULL,
            payload BLOB NOT NULL, PRIMARY KEY (session, idx)) WITHOUT ROWID;
        CREATE TABLE heads (
            session INTEGER PRIMARY KEY, epoch TEXT NOT NULL, epoch_start INTEGER NOT NULL, idx INTEGER NOT NULL, boot INTEGER NOT NULL,
            base_seq INTEGER NOT NULL DEFAULT 0);
        CREATE TABLE snapshots (session INTEGER PRIMARY KEY, epoch TEXT NOT NULL, idx INTEGER NOT NULL, payload BLOB NOT NULL);
        INSERT INTO meta VALUES ('format', '1'), ('boot', '1'), ('boot_id', 'boot 1');
        INSERT INTO entries VALUES (1, 1, 'a', 1, 1001, '1/a/1'), (1, 2, 'a', 2, 1002, '1/a/2');
        INSERT INTO heads VALUES (1, 'a', 1, 2, 1, 0);
        UPDATE entries SET payload = CAST(payload AS BLOB);",
    )
    .expect("as the version before wrote it");
    file.close().expect("closed");
    let log = fixture.log().await;
    log.append(append(1, "a", 2, 2)).await.expect("continued");
    let loaded = log.load(session(1)).await.expect("loaded").expect("a log");
    assert_eq!(
        (loaded.records, loaded.suspect),
        (append(1, "a", 0, 4).records, false)
    );
    log.close().await;
    assert_eq!(count(fixture.folder.path(), "entries"), 4);
    // The previous version would not read the journal.
    let file = Connection::open(fixture.folder.path().join("sessions.db")).expect("opened");
    let format: String = file
        .query_one("SELECT value FROM meta WHERE key = 'format'", [], |row| {
            row.get(0)
        })
        .expect("a format");
    assert_eq!(format, "2");
}

/// The expected content of a log.
#[derive(Default)]
struct Model {
    epoch: u64,
    records: Vec<LogRecord>,
    snapshot: u64,
    trimmed: u64,
}

impl Model {
    /// A random append that the log must accept.
    fn next(&mut self, of: u64, random: u64) -> Append {
        let expected = self.records.len() as u64;
        let new_epoch = expected == 0 || random.is_multiple_of(11);
        self.epoch += u64::from(new_epoch);
        let name = format!("e{}", self.epoch);
        let seq = if new_epoch {
            0
        } else {
            self.records[self.records.len() - 1].last_seq.get()
        };
        let mut more: Vec<_> = (1..=1 + random % 3)
            .map(|n| {
                entry(
                    of,
                    &name,
                    expected + n,
                    seq + u32::try_from(n).expect("a seq"),
                )
            })
            .collect();
        if random.is_multiple_of(5) {
            // Some are large, so that there is always something to merge.
            more[0].payload =
                Bytes::from(vec![u8::try_from(random % 251).expect("a byte"); 15 << 10]);
        }
        self.records.extend(more.iter().cloned());
        let last = self.records.len() as u64;
        let snapshot = random.is_multiple_of(7).then(|| SnapshotRecord {
            index: last,
            epoch: epoch(&name),
            payload: Bytes::from_static(b"state"),
        });
        let trim_to = random.is_multiple_of(14).then_some(last / 2);
        self.snapshot = snapshot
            .as_ref()
            .map_or(self.snapshot, |snapshot| snapshot.index);
        self.trimmed = trim_to.map_or(self.trimmed, |to| self.trimmed.max(to));
        Append {
            session: session(of),
            expected_index: expected,
            records: more,
            snapshot,
            trim_to,
        }
    }

    /// Adopts what the log has after a kill: it may have an older snapshot, and more entries than
    /// it needs.
    async fn adopt(&mut self, log: &EmbeddedLog, of: u64) {
        let loaded = log.load(session(of)).await.expect("loaded").expect("a log");
        let (snapshot, trimmed) = (
            loaded.snapshot.map_or(0, |s| s.index),
            loaded.retained.first().map_or(0, |r| r.index - 1),
        );
        assert!(snapshot <= self.snapshot);
        (self.snapshot, self.trimmed) = (snapshot, self.trimmed.min(trimmed));
    }

    async fn check(&self, log: &EmbeddedLog, of: u64) {
        let loaded = log.load(session(of)).await.expect("loaded").expect("a log");
        let behind = |index: u64| {
            self.records
                .iter()
                .filter(move |record| record.index > index)
        };
        assert_eq!(
            loaded.snapshot.map_or(0, |snapshot| snapshot.index),
            self.snapshot
        );
        assert!(
            loaded.records.iter().eq(behind(self.snapshot)),
            "log {of} behind {}",
            self.snapshot
        );
        let name = epoch(&format!("e{}", self.epoch));
        let held: Vec<_> = behind(self.trimmed)
            .filter(|record| record.epoch == name)
            .collect();
        let retained = loaded
            .retained
            .iter()
            .map(|r| (r.index, r.last_seq, r.at, r.size as usize));
        assert!(
            retained.eq(held
                .iter()
                .map(|r| (r.index, r.last_seq, r.at, r.payload.len()))),
            "log {of}"
        );
        if let Some(first) = held.first() {
            let read = log
                .read(session(of), &name, first.last_seq, 1_000)
                .await
                .expect("read");
            assert!(read.iter().eq(held[1..].iter().copied()), "log {of}");
            let page = log
                .read(session(of), &name, first.last_seq, 2)
                .await
                .expect("read");
            assert!(
                page.iter().eq(held[1..].iter().copied().take(2)),
                "log {of}"
            );
        }
        assert!(
            log.read(session(of), &name, Seq::new(u32::MAX), 9)
                .await
                .expect("read")
                .is_empty()
        );
    }
}

/// A log must hold what was acknowledged through merges, new epochs, deletions and kills.
#[tokio::test]
async fn a_log_holds_what_was_acknowledged_through_merges_kills_and_deletions() {
    const LOGS: u64 = 12;
    let mut fixture = EmbeddedLogFixture::new(Synchronous::Normal);
    let mut log = fixture.log().await;
    let mut models: HashMap<u64, Model> = HashMap::new();
    let mut random: u64 = 0x2545_f491_4f6c_dd1d;
    for step in 0..1_000 {
        // xorshift64
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let of = 1 + random % LOGS;
        match (random >> 32) % 200 {
            0..3 => {
                models.remove(&of);
                log.delete(session(of)).await.expect("deleted");
            }
            3..8 => {
                fixture = fixture.killed().await;
                log = fixture.log().await;
                for (of, model) in &mut models {
                    model.adopt(&log, *of).await;
                    model.check(&log, *of).await;
                }
            }
            8..10 => {
                log.close().await;
                log = fixture.log().await;
            }
            _ => log
                .append(models.entry(of).or_default().next(of, random >> 40))
                .await
                .expect("appended"),
        }
        match models.get(&of) {
            Some(model) => model.check(&log, of).await,
            None => assert!(
                log.load(session(of)).await.expect("loaded").is_none(),
                "step {step}"
            ),
        }
        let mut listed: Vec<_> = models.keys().copied().map(session).collect();
        listed.sort_unstable();
        assert_eq!(log.sessions().await.expect("listed"), listed, "step {step}");
    }
}

/// A runtime with one worker thread and one blocking thread.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime")
}

/// Whether an append of this many entries is answered while the blocking thread is busy; `first`:
/// whether it is the first append of its log.
fn is_answered_at_once(synchronous: Synchronous, first: bool, entries: u64) -> bool {
    runtime().block_on(async {
        let fixture = EmbeddedLogFixture::new(synchronous);
        let log = Arc::new(fixture.log().await);
        let before = u64::from(!first);
        if !first {
            log.append(append(1, "a", 0, before)).await.expect("added");
        }
        let (release, held) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || held.recv().is_err());
        let appending = tokio::spawn({
            let log = log.clone();
            async move { log.append(append(1, "a", before, entries)).await }
        });
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let answered = appending.is_finished();
        drop(release);
        appending.await.expect("no panic").expect("added");
        assert!(busy.await.expect("no panic"));
        log.close().await;
        answered
    })
}

#[test]
fn a_small_append_runs_inline_and_a_large_one_and_one_that_may_flush_do_not() {
    assert!(is_answered_at_once(Synchronous::Normal, false, 64));
    assert!(!is_answered_at_once(Synchronous::Normal, false, 65));
    assert!(!is_answered_at_once(Synchronous::Full, false, 1));
    assert!(
        !is_answered_at_once(Synchronous::Normal, true, 1),
        "the write-ahead log begins with it"
    );
}
