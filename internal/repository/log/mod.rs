//! The ordered logs of all sessions, in one SQLite file of their own: `sessions.db`.
//!
//! One task writes (`writer`, over `ledger`); everything that waits is committed together and answered after the commit, so an acknowledged
//! entry survives the death of the process, and with [`Synchronous::Full`] a power cut. A commit adds most entries to one `journal`; they are
//! filed in their logs later, many of a log at a time, and are `pending` until then. Reads (`read`) have connections of their own and never
//! wait for the writer. Checkpoints are made beside the commits (`checkpoint`). A lock on the folder keeps a second process out: the writer
//! may rely on being the only one.
//!
//! With [`Synchronous::Normal`] a power cut can take acknowledged entries. That is noticed: a log whose epoch was written to under another
//! boot of the machine is loaded as suspect, until a new epoch begins.

mod checkpoint;
mod head;
mod journal;
mod ledger;
mod pending;
mod read;
mod rows;
mod stalls;
mod store;
mod writer;

use crate::sqlite::Synchronous;
use async_trait::async_trait;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::{Append, AppendError, Epoch, Loaded, LogRecord, Seq, SessionLog};
use faceshare_biz::{Error, Result};
use ledger::Ledger;
use pending::Pending;
use sea_orm::sqlx::SqlitePool;
use stalls::Stalls;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{mpsc, oneshot};
use writer::{Request, Writer};

/// Appends that wait for the writer; whoever comes then waits for a place. Twice the largest group, so that the next one is there when a
/// commit ends.
const QUEUE: usize = 2 * writer::GROUP_ENTRIES;

/// The embedded [`SessionLog`].
///
/// Beyond the port's obligations:
/// - A future of `append` that is dropped may or may not have added its entries.
/// - Entries that hold no frame share `last_seq` with the one before; `read` returns those that lie behind `after`, so that the indices it
///   returns are consecutive.
/// - `read` of the last epoch from a position whose following entries were trimmed is `NOT_FOUND`, never a stretch with a hole.
/// - A snapshot that comes with entries is kept, and entries are forgotten, when those are filed. A process that dies before has the snapshot
///   before, and all entries after it.
/// - A snapshot older than the kept one is ignored, and `trim_to` stops at the kept snapshot.
#[derive(Debug)]
pub struct EmbeddedLog {
    queue: mpsc::Sender<Request>,
    readers: SqlitePool,
    pending: Pending,
    /// The last commit went well.
    committing: Arc<AtomicBool>,
    boot: store::Boot,
    new: bool,
}

impl EmbeddedLog {
    /// Opens `sessions.db` in this folder, making both when they are missing. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the files cannot be opened or another process has them; `INTERNAL` when a newer version wrote them.
    pub async fn open(data_dir: &Path, synchronous: Synchronous) -> Result<Self> {
        Self::open_under_boot(data_dir, synchronous, store::boot_id()).await
    }

    /// As [`EmbeddedLog::open`], on a machine whose boot has this id; `None`: it is not known.
    async fn open_under_boot(data_dir: &Path, synchronous: Synchronous, boot_id: Option<String>) -> Result<Self> {
        Ok(Self::over(store::open(data_dir, synchronous, boot_id).await?))
    }

    fn over(store: store::Store) -> Self {
        let (queue, requests) = mpsc::channel(QUEUE);
        let committing = Arc::new(AtomicBool::new(true));
        writer::describe_metrics();
        ledger::describe_metrics();
        let stalls = Stalls::new(store.boot.synchronous());
        let writer = Writer::new(store.lock, requests, Arc::clone(&committing), stalls);
        let pending = Pending::default();
        tokio::spawn(writer.run(Ledger::new(store.connection, store.checkpointer, store.boot, pending.clone())));
        Self { queue, readers: store.readers, pending, committing, boot: store.boot, new: store.new }
    }

    /// Whether the file was missing or empty when it was opened, so that no log was in it.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.new
    }

    /// Returns when entries cannot be added any more: the log was closed, or its writer has ended by a failure.
    pub async fn ended(&self) {
        self.queue.closed().await;
    }

    /// Whether entries can be added: the writer lives and its last commit went well.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        !self.queue.is_closed() && self.committing.load(Ordering::Relaxed)
    }

    /// Commits everything that waits and closes the files. Appends that come later are `Unavailable`; closing again does nothing.
    pub async fn close(&self) {
        self.readers.close().await;
        let (done, closed) = oneshot::channel();
        // No writer to send to, or none that answers: it is gone, and with it what there was to close.
        if self.queue.send(Request::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

/// The writer ended, so nothing is known of what was handed to it.
#[derive(Debug, Clone, Copy)]
struct WriterGone;

impl std::fmt::Display for WriterGone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the session log's writer has ended")
    }
}

impl std::error::Error for WriterGone {}

#[async_trait]
impl SessionLog for EmbeddedLog {
    async fn append(&self, batch: Append) -> Result<(), AppendError> {
        let gone = |_| AppendError::Unavailable(WriterGone.into());
        let (answer, answered) = oneshot::channel();
        self.queue.send(Request::Append(batch, answer)).await.map_err(|_| AppendError::Unavailable(WriterGone.into()))?;
        answered.await.map_err(gone)?
    }

    async fn load(&self, session: SessionId) -> Result<Option<Loaded>> {
        read::load(&self.readers, &self.pending, session, self.boot).await
    }

    async fn read(&self, session: SessionId, epoch: &Epoch, after: Seq, limit: u32) -> Result<Vec<LogRecord>> {
        read::read(&self.readers, &self.pending, session, epoch, after, limit).await
    }

    async fn sessions(&self) -> Result<Vec<SessionId>> {
        read::sessions(&self.readers).await
    }

    async fn delete(&self, session: SessionId) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Request::Delete(session, answer)).await.map_err(|_| Error::unavailable(WriterGone))?;
        answered.await.map_err(|_| Error::unavailable(WriterGone))?
    }
}

#[cfg(test)]
mod tests;
