//! Moves what is committed from the write-ahead log into the file, on a thread beside the writer: a
//! checkpoint waits for the disk, and a caller that waits for a commit should not.
//!
//! While the writer continues, a checkpoint never catches up with it, and the write-ahead log
//! restarts only after a checkpoint that has. So when the write-ahead log gets long, the writer
//! runs the last step itself, after it has answered the committed appends: the checkpoints beside
//! it have left little to move. Only this step flushes the file, and only the next commit waits for
//! it.

use rusqlite::{Connection, Result};
use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Steps after which the writer runs the last one itself, as soon as a checkpoint beside it has
/// ended.
const LAST_STEP_AFTER: i32 = 16;
/// Steps after which the writer does not wait for that checkpoint, so that no disk is too slow for
/// the writer.
const LAST_STEP_AT_ONCE_AFTER: i32 = 32;

thread_local! {
    /// Pages in the write-ahead log after the last commit of this thread. SQLite reports them to a
    /// bare function, which has nowhere else to store them. The thread that made the commit reads
    /// them right after it.
    static PAGES: Cell<i32> = const { Cell::new(0) };
}

/// State shared by the thread and the writer.
struct Shared {
    connection: Mutex<Connection>,
    /// Whether a checkpoint has ended since the last look: then hardly anything is left to move.
    ended: AtomicBool,
    /// Checkpoints that the thread was woken for and has not finished.
    due: AtomicUsize,
    /// Whether a checkpoint has run since the last commit; also true before the first commit.
    up_to_date: AtomicBool,
}

/// Owns the checkpoint thread. Dropping it waits for the thread to end.
pub(super) struct Checkpointer {
    shared: Arc<Shared>,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Pages by which the write-ahead log grows between two checkpoints.
    step: i32,
    /// Pages in the write-ahead log when the thread was last woken.
    woken_at: i32,
    /// Whether the writer has to run the last step.
    last_step: bool,
}

impl Checkpointer {
    /// Starts the thread with its own connection and a checkpoint every `step` pages. `writer`
    /// makes no checkpoints from now on.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start(
        writer: &Connection,
        connection: Connection,
        step: i32,
    ) -> io::Result<Self> {
        // Replaces the hook that makes SQLite's own checkpoints.
        writer.wal_hook(Some(|_, pages| {
            PAGES.set(pages);
            Ok(())
        }));
        let shared = Arc::new(Shared {
            connection: Mutex::new(connection),
            ended: AtomicBool::new(false),
            due: AtomicUsize::new(0),
            up_to_date: AtomicBool::new(true),
        });
        // Capacity for one wake-up is enough: a checkpoint moves everything that is committed when
        // it begins.
        let (wake, woken) = sync_channel(1);
        let state = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("log-checkpoint".into())
            .spawn(move || state.run(&woken))?;
        Ok(Self {
            shared,
            wake: Some(wake),
            thread: Some(thread),
            step,
            woken_at: 0,
            last_step: false,
        })
    }

    /// Called after each commit of the writer, by the thread that made it.
    pub(super) fn committed(&mut self) {
        let pages = PAGES.get();
        if pages < self.woken_at {
            self.woken_at = 0;
        }
        if pages >= LAST_STEP_AT_ONCE_AFTER * self.step {
            self.last_step = true;
        } else if pages >= self.woken_at + self.step {
            self.woken_at = pages;
            self.shared.ended.store(false, Ordering::Relaxed);
            self.wake();
        } else if pages >= LAST_STEP_AFTER * self.step
            && self.shared.ended.swap(false, Ordering::Relaxed)
        {
            self.last_step = true;
        }
    }

    /// Requests a checkpoint from the thread.
    fn wake(&self) {
        let Some(wake) = &self.wake else { return };
        self.shared.due.fetch_add(1, Ordering::SeqCst);
        // The channel is full: a wake-up is pending already.
        if wake.try_send(()).is_err() {
            self.shared.due.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Whether a checkpoint may move everything before the next commit. That commit then restarts
    /// the write-ahead log, which flushes its first page and truncates its file.
    pub(super) fn may_catch_up(&self) -> bool {
        self.shared.due.load(Ordering::SeqCst) > 0 || self.shared.up_to_date.load(Ordering::SeqCst)
    }

    /// Called before a commit of the writer that adds something. From then on no earlier checkpoint
    /// has moved everything.
    pub(super) fn begin(&self) {
        self.shared.up_to_date.store(false, Ordering::SeqCst);
    }

    /// Called when the commit failed: the state is as before it.
    pub(super) fn failed(&self) {
        self.shared.up_to_date.store(true, Ordering::SeqCst);
        // When the disk is full, a checkpoint lets the write-ahead log reuse what has been moved.
        self.wake();
    }

    pub(super) const fn wants_last_step(&self) -> bool {
        self.last_step
    }

    pub(super) fn take_last_step(&mut self) {
        self.last_step = false;
        self.shared.checkpoint();
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.wake.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn run(&self, woken: &Receiver<()>) {
        while woken.recv().is_ok() {
            // Without this thread the write-ahead log would only ever be moved by the writer, while
            // everybody waits.
            if catch_unwind(AssertUnwindSafe(|| self.checkpoint())).is_err() {
                metrics::counter!("jobs_failed_total", "job" => "log checkpoint").increment(1);
                tracing::error!(
                    job = "log checkpoint",
                    "a background job panicked; the next checkpoint is tried as ever"
                );
            }
            self.ended.store(true, Ordering::Relaxed);
            self.due.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Moves as much as is possible without waiting for readers. If it fails, what is committed
    /// stays committed, and the next checkpoint tries again.
    fn checkpoint(&self) {
        let connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let passive: Result<()> =
            connection.query_one("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = passive {
            tracing::warn!(%error, "the session log could not be checkpointed");
        }
        self.up_to_date.store(true, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::Checkpointer;
    use crate::log::store::connect;
    use crate::sqlite::Synchronous;
    use rusqlite::Connection;
    use std::path::Path;
    use tempfile::TempDir;

    const PAGE: u64 = 4_096;
    /// Approximate pages that one commit of these tests writes.
    const COMMIT: i32 = 50;
    const STEP: i32 = 100;
    const LAST_STEP_AT_ONCE_AFTER: i32 = super::LAST_STEP_AT_ONCE_AFTER * STEP;

    struct CheckpointFixture {
        writer: Connection,
        checkpointer: Checkpointer,
        folder: TempDir,
    }

    impl CheckpointFixture {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let open =
                || connect(&folder.path().join("file"), Synchronous::Normal).expect("opened");
            let writer = open();
            writer
                .execute_batch("CREATE TABLE kept (bytes BLOB)")
                .expect("a table");
            let checkpointer = Checkpointer::start(&writer, open(), STEP).expect("started");
            Self {
                writer,
                checkpointer,
                folder,
            }
        }

        fn commit(&mut self) {
            let bytes = vec![1; usize::try_from(COMMIT).expect("a size") * 4_096];
            self.checkpointer.begin();
            self.writer
                .execute("INSERT INTO kept VALUES (?1)", [bytes])
                .expect("committed");
            self.checkpointer.committed();
            if self.checkpointer.wants_last_step() {
                self.checkpointer.take_last_step();
            }
        }

        /// Writes the same pages again and again.
        fn replace(&mut self) {
            self.writer
                .execute("DELETE FROM kept", [])
                .expect("deleted");
            self.commit();
        }

        fn pages(&self, name: &str) -> i32 {
            pages(&self.folder.path().join(name))
        }
    }

    fn pages(file: &Path) -> i32 {
        i32::try_from(file.metadata().expect("a file").len() / PAGE).expect("a count")
    }

    #[test]
    fn what_is_committed_is_moved_into_the_file_beside_the_commits() {
        let mut fixture = CheckpointFixture::new();
        for _ in 0..=STEP / COMMIT {
            fixture.commit();
        }
        // Dropping it waits until the requested checkpoints are done.
        drop(fixture.checkpointer);
        assert!(pages(&fixture.folder.path().join("file")) >= STEP);
    }

    #[test]
    fn a_checkpoint_may_catch_up_before_the_first_commit_and_after_a_checkpoint() {
        let mut fixture = CheckpointFixture::new();
        assert!(fixture.checkpointer.may_catch_up());
        fixture.commit();
        assert!(!fixture.checkpointer.may_catch_up());
        fixture.checkpointer.take_last_step();
        assert!(fixture.checkpointer.may_catch_up());
        fixture.commit();
        assert!(!fixture.checkpointer.may_catch_up());
        fixture.checkpointer.wake();
        assert!(
            fixture.checkpointer.may_catch_up(),
            "until it is up_to_date, and then until the next commit"
        );
        fixture.checkpointer.begin();
        fixture.checkpointer.failed();
        assert!(fixture.checkpointer.may_catch_up());
    }

    #[test]
    fn the_write_ahead_log_stays_bounded_however_much_is_written() {
        let mut fixture = CheckpointFixture::new();
        for _ in 0..3 * LAST_STEP_AT_ONCE_AFTER / COMMIT {
            fixture.replace();
            assert!(fixture.pages("file-wal") <= LAST_STEP_AT_ONCE_AFTER + 2 * COMMIT);
        }
    }

    #[test]
    fn a_long_reader_delays_no_commit_and_the_write_ahead_log_shrinks_after_it() {
        let mut fixture = CheckpointFixture::new();
        fixture.commit();
        let reader = Connection::open(fixture.folder.path().join("file")).expect("a reader");
        reader
            .execute_batch("BEGIN; SELECT * FROM kept")
            .expect("reads");
        while fixture.pages("file-wal") < LAST_STEP_AT_ONCE_AFTER + STEP {
            fixture.replace();
        }
        reader.execute_batch("COMMIT").expect("read");
        // The next commit is checkpointed completely; the one after it restarts the write-ahead
        // log.
        for _ in 0..LAST_STEP_AT_ONCE_AFTER / COMMIT {
            fixture.replace();
        }
        assert!(fixture.pages("file-wal") <= LAST_STEP_AT_ONCE_AFTER + 2 * STEP);
    }
}
