//! The ordered logs of all sessions, in one SQLite file of their own: `sessions.db`.
//!
//! One task writes (`writer`, on a `log_file`). It commits everything that waits in one transaction
//! and answers after the commit. So an acknowledged entry survives the death of the process, and
//! with [`Synchronous::Full`] a power cut. A commit adds most entries to one `journal`; a later
//! commit merges them into the logs, many of a log at a time. Until then they are `pending`. Reads
//! (`read`) use connections of their own and never wait for the writer. Checkpoints run beside the
//! commits (`checkpoint`). A lock on the folder keeps a second process out, so the writer may rely
//! on being the only one.
//!
//! With [`Synchronous::Normal`] a power cut can take acknowledged entries. The log notices that: if
//! its epoch was written under another boot of the machine, it is loaded as suspect until a new
//! epoch begins.

mod checkpoint;
mod head;
mod journal;
mod log_file;
mod pending;
mod placement;
mod read;
mod rows;
mod store;
mod writer;

use crate::sqlite::Synchronous;
use async_trait::async_trait;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::{
    Append, AppendError, Epoch, Loaded, LogRecord, Seq, SessionLog,
};
use faceshare_biz::{Error, Result};
use log_file::LogFile;
use pending::Pending;
use placement::CommitPlacement;
use sea_orm::sqlx::SqlitePool;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{mpsc, oneshot};
use writer::{WriteRequest, Writer};

/// Appends that wait for the writer; while it is full, `append` waits for capacity. Twice the
/// largest group, so that the next group is ready when a commit ends.
const QUEUE: usize = 2 * writer::GROUP_ENTRIES;

/// The embedded [`SessionLog`].
///
/// Beyond the port's obligations:
/// - If the future of `append` is dropped, its entries may or may not have been added.
/// - An entry that holds no frame has the `last_seq` of the entry before it. `read` returns such
///   entries too if they come after `after`, so the indices that it returns are consecutive.
/// - `read` of the last epoch from a position whose following entries were trimmed is `NOT_FOUND`;
///   it never returns entries with a gap.
/// - A snapshot that comes with entries is stored, and old entries are trimmed, when these entries
///   are merged. If the process dies before that, the log has the previous snapshot and all entries
///   after it.
/// - A snapshot older than the stored one is ignored, and `trim_to` stops at the stored snapshot.
#[derive(Debug)]
pub struct EmbeddedLog {
    queue: mpsc::Sender<WriteRequest>,
    readers: SqlitePool,
    pending: Pending,
    /// Whether the last commit succeeded.
    healthy: Arc<AtomicBool>,
    boot: store::Boot,
    new: bool,
}

impl EmbeddedLog {
    /// Opens `sessions.db` in this folder, making both when they are missing. Must be called within
    /// a tokio runtime.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the files cannot be opened or another process has them; `INTERNAL` when a
    /// newer version wrote them.
    pub async fn open(data_dir: &Path, synchronous: Synchronous) -> Result<Self> {
        Self::open_under_boot(data_dir, synchronous, store::boot_id()).await
    }

    /// As [`EmbeddedLog::open`], on a machine whose boot has this id; `None` if the id is unknown.
    async fn open_under_boot(
        data_dir: &Path,
        synchronous: Synchronous,
        boot_id: Option<String>,
    ) -> Result<Self> {
        Ok(Self::over(
            store::open(data_dir, synchronous, boot_id).await?,
        ))
    }

    fn over(store: store::OpenLog) -> Self {
        let (queue, requests) = mpsc::channel(QUEUE);
        let healthy = Arc::new(AtomicBool::new(true));
        writer::describe_metrics();
        log_file::describe_metrics();
        let placement = CommitPlacement::new(store.boot.synchronous());
        let writer = Writer::new(store.lock, requests, Arc::clone(&healthy), placement);
        let pending = Pending::default();
        tokio::spawn(writer.run(LogFile::new(
            store.connection,
            store.checkpointer,
            store.boot,
            pending.clone(),
        )));
        Self {
            queue,
            readers: store.readers,
            pending,
            healthy,
            boot: store.boot,
            new: store.new,
        }
    }

    /// Whether the file was missing or empty when it was opened, so that no log was in it.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.new
    }

    /// Returns when entries cannot be added any more: the log was closed, or its writer has ended
    /// by a failure.
    pub async fn ended(&self) {
        self.queue.closed().await;
    }

    /// Whether entries can be added: the writer lives and its last commit went well.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        !self.queue.is_closed() && self.healthy.load(Ordering::Relaxed)
    }

    /// Commits everything that waits and closes the files. Later appends are `Unavailable`; a
    /// second close does nothing.
    pub async fn close(&self) {
        self.readers.close().await;
        let (done, closed) = oneshot::channel();
        // If the writer cannot be reached or does not answer, it has ended and the files are
        // closed.
        if self.queue.send(WriteRequest::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

/// The writer ended, so the outcome of what it was sent is unknown.
#[derive(Debug, Clone, Copy)]
struct WriterEnded;

impl std::fmt::Display for WriterEnded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the session log's writer has ended")
    }
}

impl std::error::Error for WriterEnded {}

#[async_trait]
impl SessionLog for EmbeddedLog {
    async fn append(&self, batch: Append) -> Result<(), AppendError> {
        let ended = |_| AppendError::Unavailable(WriterEnded.into());
        let (answer, answered) = oneshot::channel();
        self.queue
            .send(WriteRequest::Append(batch, answer))
            .await
            .map_err(|_| AppendError::Unavailable(WriterEnded.into()))?;
        answered.await.map_err(ended)?
    }

    async fn load(&self, session: SessionId) -> Result<Option<Loaded>> {
        read::load(&self.readers, &self.pending, session, self.boot).await
    }

    async fn read(
        &self,
        session: SessionId,
        epoch: &Epoch,
        after: Seq,
        limit: u32,
    ) -> Result<Vec<LogRecord>> {
        read::read(&self.readers, &self.pending, session, epoch, after, limit).await
    }

    async fn sessions(&self) -> Result<Vec<SessionId>> {
        read::sessions(&self.readers).await
    }

    async fn delete(&self, session: SessionId) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.queue
            .send(WriteRequest::Delete(session, answer))
            .await
            .map_err(|_| Error::unavailable(WriterEnded))?;
        answered
            .await
            .map_err(|_| Error::unavailable(WriterEnded))?
    }
}

#[cfg(test)]
mod tests;
