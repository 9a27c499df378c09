//! Moves what is committed from the write-ahead log into the file, beside the commits: a checkpoint waits for the disk, and whoever waits for
//! a commit has nothing of it.
//!
//! While the writer goes on, a checkpoint never catches up with it, and only from one that has does the write-ahead log begin anew. When that
//! has become long, the writer therefore takes the last step itself, once it has told those whose entries are committed: what the checkpoints beside
//! it have left to move is little. It is then too that the file is made safe on the disk, for which only the next commit waits.

use rusqlite::{Connection, Result};
use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Steps after which the writer takes the last one itself, as soon as a checkpoint beside it has ended.
const LONG: i32 = 16;
/// Steps after which it waits for that one, so that no disk is too slow for the writer.
const BOUND: i32 = 32;

thread_local! {
    /// Pages in the write-ahead log after the last commit of this thread. SQLite tells them to a bare function, which has nowhere else to
    /// put them; they are looked at right after the commit, by the thread that made it.
    static PAGES: Cell<i32> = const { Cell::new(0) };
}

/// What the thread and the writer share.
struct Beside {
    own: Mutex<Connection>,
    /// A checkpoint has ended since this was last asked: hardly anything is left to do then.
    ended: AtomicBool,
    /// Checkpoints that the thread was woken for and has not made yet.
    due: AtomicUsize,
    /// One has been made since the last commit, or none has yet.
    made: AtomicBool,
}

/// The thread beside the writer. Dropping it waits for it.
pub(super) struct Checkpointer {
    beside: Arc<Beside>,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Pages that the write-ahead log grows by from one checkpoint to the next.
    step: i32,
    /// The length at which it was last woken.
    woken_at: i32,
    /// The writer has to take the last step.
    last_step: bool,
}

impl Checkpointer {
    /// Starts it over a connection of its own, with a checkpoint every `step` pages; `writer` makes none from now on.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub(super) fn start(writer: &Connection, own: Connection, step: i32) -> io::Result<Self> {
        // Takes the place of the hook that makes SQLite's own checkpoints.
        writer.wal_hook(Some(|_, pages| {
            PAGES.set(pages);
            Ok(())
        }));
        let shared =
            Arc::new(Beside { own: Mutex::new(own), ended: AtomicBool::new(false), due: AtomicUsize::new(0), made: AtomicBool::new(true) });
        // One that waits is enough: a checkpoint takes in all that is committed when it begins.
        let (wake, woken) = sync_channel(1);
        let beside = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("log-checkpoint".into()).spawn(move || shared.run(&woken))?;
        Ok(Self { beside, wake: Some(wake), thread: Some(thread), step, woken_at: 0, last_step: false })
    }

    /// To be called after a commit of the writer, by the thread that made it.
    pub(super) fn committed(&mut self) {
        let pages = PAGES.get();
        if pages < self.woken_at {
            self.woken_at = 0;
        }
        if pages >= BOUND * self.step {
            self.last_step = true;
        } else if pages >= self.woken_at + self.step {
            self.woken_at = pages;
            self.beside.ended.store(false, Ordering::Relaxed);
            self.wake();
        } else if pages >= LONG * self.step && self.beside.ended.swap(false, Ordering::Relaxed) {
            self.last_step = true;
        }
    }

    /// Has the thread make a checkpoint.
    fn wake(&self) {
        let Some(wake) = &self.wake else { return };
        self.beside.due.fetch_add(1, Ordering::SeqCst);
        // No place: it is to be woken already.
        if wake.try_send(()).is_err() {
            self.beside.due.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Whether a checkpoint may move all there is before the next commit. The write-ahead log begins anew with that one then, which flushes its
    /// first page and gives back what it was too long.
    pub(super) fn may_catch_up(&self) -> bool {
        self.beside.due.load(Ordering::SeqCst) > 0 || self.beside.made.load(Ordering::SeqCst)
    }

    /// To be called before a commit of the writer that adds something. Once it has, no checkpoint that was made before has moved all there is.
    pub(super) fn begin(&self) {
        self.beside.made.store(false, Ordering::SeqCst);
    }

    /// The commit has failed: what was before it is as it was.
    pub(super) fn failed(&self) {
        self.beside.made.store(true, Ordering::SeqCst);
        // On a full disk the write-ahead log can go on where it has been moved into the file.
        self.wake();
    }

    pub(super) const fn wants_last_step(&self) -> bool {
        self.last_step
    }

    pub(super) fn take_last_step(&mut self) {
        self.last_step = false;
        self.beside.checkpoint();
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.wake.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Beside {
    fn run(&self, woken: &Receiver<()>) {
        while woken.recv().is_ok() {
            // Without this thread the write-ahead log would only ever be moved by the writer, while everybody waits.
            if catch_unwind(AssertUnwindSafe(|| self.checkpoint())).is_err() {
                metrics::counter!("jobs_failed_total", "job" => "log checkpoint").increment(1);
                tracing::error!(job = "log checkpoint", "a background job panicked; the next checkpoint is tried as ever");
            }
            self.ended.store(true, Ordering::Relaxed);
            self.due.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// As much as can be moved without waiting for anybody who reads. What is committed stays so if it fails, and the next one tries again.
    fn checkpoint(&self) {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let passive: Result<()> = own.query_one("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = passive {
            tracing::warn!(%error, "the session log could not be checkpointed");
        }
        self.made.store(true, Ordering::SeqCst);
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
    /// Pages that one commit of these tests writes, about.
    const COMMIT: i32 = 50;
    const STEP: i32 = 100;
    const BOUND: i32 = super::BOUND * STEP;

    struct Bed {
        writer: Connection,
        checkpointer: Checkpointer,
        folder: TempDir,
    }

    impl Bed {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let open = || connect(&folder.path().join("file"), Synchronous::Normal).expect("opened");
            let writer = open();
            writer.execute_batch("CREATE TABLE kept (bytes BLOB)").expect("a table");
            let checkpointer = Checkpointer::start(&writer, open(), STEP).expect("started");
            Self { writer, checkpointer, folder }
        }

        fn commit(&mut self) {
            let bytes = vec![1; usize::try_from(COMMIT).expect("a size") * 4_096];
            self.checkpointer.begin();
            self.writer.execute("INSERT INTO kept VALUES (?1)", [bytes]).expect("committed");
            self.checkpointer.committed();
            if self.checkpointer.wants_last_step() {
                self.checkpointer.take_last_step();
            }
        }

        /// Writes the same pages again and again.
        fn replace(&mut self) {
            self.writer.execute("DELETE FROM kept", []).expect("deleted");
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
    fn what_is_committed_gets_into_the_file_beside_the_commits() {
        let mut bed = Bed::new();
        for _ in 0..=STEP / COMMIT {
            bed.commit();
        }
        // It ends when it has done what it was woken for.
        drop(bed.checkpointer);
        assert!(pages(&bed.folder.path().join("file")) >= STEP);
    }

    #[test]
    fn the_first_commit_and_those_after_a_checkpoint_may_find_all_of_it_moved() {
        let mut bed = Bed::new();
        assert!(bed.checkpointer.may_catch_up());
        bed.commit();
        assert!(!bed.checkpointer.may_catch_up());
        bed.checkpointer.take_last_step();
        assert!(bed.checkpointer.may_catch_up());
        bed.commit();
        assert!(!bed.checkpointer.may_catch_up());
        bed.checkpointer.wake();
        assert!(bed.checkpointer.may_catch_up(), "until it is made, and then until the next commit");
        bed.checkpointer.begin();
        bed.checkpointer.failed();
        assert!(bed.checkpointer.may_catch_up());
    }

    #[test]
    fn the_write_ahead_log_stays_bounded_however_much_is_written() {
        let mut bed = Bed::new();
        for _ in 0..3 * BOUND / COMMIT {
            bed.replace();
            assert!(bed.pages("file-wal") <= BOUND + 2 * COMMIT);
        }
    }

    #[test]
    fn a_reader_that_stays_holds_up_no_commit_and_what_it_left_is_made_up_for() {
        let mut bed = Bed::new();
        bed.commit();
        let reader = Connection::open(bed.folder.path().join("file")).expect("a reader");
        reader.execute_batch("BEGIN; SELECT * FROM kept").expect("reads");
        while bed.pages("file-wal") < BOUND + STEP {
            bed.replace();
        }
        reader.execute_batch("COMMIT").expect("read");
        // The next commit is checkpointed whole, the one after it begins at the front again.
        for _ in 0..BOUND / COMMIT {
            bed.replace();
        }
        assert!(bed.pages("file-wal") <= BOUND + 2 * STEP);
    }
}
