//! The one task that writes: it commits everything that waits in one transaction, and then answers.
//!
//! There is no timer. A lone append is committed at once. While a commit runs the next group
//! gathers, so under more load the groups are larger and each entry is cheaper. A fixed window
//! would only add its length to every answer, and at the rate at which it would pay, the commit
//! itself takes long enough to gather a group.

use super::head::Verdict;
use super::log_file::LogFile;
use super::placement::CommitPlacement;
use super::store::FolderLock;
use crate::error::from_rusqlite;
use faceshare_biz::Result;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::{Append, AppendError};
use futures_util::FutureExt as _;
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, spawn_blocking};

/// A group with this many entries is full: beyond that a commit takes longer without getting
/// cheaper per entry.
pub(super) const GROUP_ENTRIES: usize = 512;
/// A group with this many bytes of payload is full: committing it stays in the tens of milliseconds
/// on a slow disk.
const GROUP_BYTES: usize = 4 << 20;

/// The most times a group yields to other tasks before it is closed: a round is short, but under
/// load there is always another one.
const ROUNDS: usize = 8;

/// A request to the writer.
#[derive(Debug)]
pub(super) enum WriteRequest {
    /// Append to a log.
    Append(Append, oneshot::Sender<Result<(), AppendError>>),
    /// Delete a log.
    Delete(SessionId, oneshot::Sender<Result<()>>),
    /// Commit what waits, accept no more requests, and end.
    Close(oneshot::Sender<()>),
}

/// Why the writer ended without being asked to.
enum WriterEnd {
    /// The writer's task panicked.
    Panic,
    /// The blocking task that worked on the file panicked or was cancelled.
    BlockingTask(JoinError),
}

/// Appends that are committed in one transaction.
#[derive(Default)]
struct AppendGroup {
    appends: Vec<Append>,
    answers: Vec<oneshot::Sender<Result<(), AppendError>>>,
    entries: usize,
    bytes: usize,
}

impl AppendGroup {
    fn add(&mut self, append: Append, answer: oneshot::Sender<Result<(), AppendError>>) {
        self.entries += append.records.len().max(1);
        self.bytes += append
            .records
            .iter()
            .map(|record| record.payload.len())
            .sum::<usize>();
        self.bytes += append
            .snapshot
            .as_ref()
            .map_or(0, |snapshot| snapshot.payload.len());
        self.appends.push(append);
        self.answers.push(answer);
    }

    const fn is_full(&self) -> bool {
        self.entries >= GROUP_ENTRIES || self.bytes >= GROUP_BYTES
    }
}

/// The writer's state. When the writer ends, for whatever reason, its queue closes and every
/// waiting request is answered with an error.
pub(super) struct Writer {
    requests: mpsc::Receiver<WriteRequest>,
    healthy: Arc<AtomicBool>,
    lock: FolderLock,
    placement: CommitPlacement,
}

impl Writer {
    pub(super) fn new(
        lock: FolderLock,
        requests: mpsc::Receiver<WriteRequest>,
        healthy: Arc<AtomicBool>,
        placement: CommitPlacement,
    ) -> Self {
        Self {
            requests,
            healthy,
            lock,
            placement,
        }
    }

    /// Runs until it is closed or the last sender is dropped. A panic while working on the file
    /// ends it too, because the state of the file is unknown then.
    pub(super) async fn run(mut self, log_file: LogFile) {
        let mut closing = Vec::new();
        match AssertUnwindSafe(self.serve(log_file, &mut closing))
            .catch_unwind()
            .await
            .unwrap_or(Err(WriterEnd::Panic))
        {
            Ok(log_file) => {
                if let Ok(Err(error)) = spawn_blocking(move || log_file.close()).await {
                    tracing::warn!(%error, "the session log did not close cleanly; it will recover when it is opened");
                }
            }
            Err(WriterEnd::Panic) => tracing::error!("the session log's writer has panicked"),
            Err(WriterEnd::BlockingTask(error)) => {
                tracing::error!(%error, "the session log's writer has ended")
            }
        }
        // Released before the answer, so that a caller that waits for the end may open the file
        // again.
        drop(self.lock);
        for done in closing {
            let _ = done.send(());
        }
    }

    async fn serve(
        &mut self,
        mut log_file: LogFile,
        closing: &mut Vec<oneshot::Sender<()>>,
    ) -> Result<LogFile, WriterEnd> {
        let mut left_over = None;
        loop {
            let next = match left_over.take() {
                Some(request) => Some(request),
                None => self.requests.recv().await,
            };
            match next {
                Some(WriteRequest::Append(append, answer)) => {
                    let (group, next) = self.gather(append, answer).await;
                    left_over = match next {
                        Some(WriteRequest::Close(done)) => {
                            self.stop_accepting(done, closing);
                            None
                        }
                        next => next,
                    };
                    log_file = self.commit(log_file, group).await?;
                }
                Some(WriteRequest::Delete(session, answer)) => {
                    let (returned, deleted) =
                        on_blocking_thread(log_file, move |log_file| log_file.delete(session))
                            .await?;
                    log_file = returned;
                    let _ = answer.send(deleted.map_err(from_rusqlite));
                }
                Some(WriteRequest::Close(done)) => self.stop_accepting(done, closing),
                None => return Ok(log_file),
            }
        }
    }

    /// Accepts no more requests; those in the queue are still served.
    fn stop_accepting(
        &mut self,
        done: oneshot::Sender<()>,
        closing: &mut Vec<oneshot::Sender<()>>,
    ) {
        self.requests.close();
        closing.push(done);
    }

    /// Collects the first append and all that wait behind it, up to the first request of another
    /// kind.
    async fn gather(
        &mut self,
        append: Append,
        answer: oneshot::Sender<Result<(), AppendError>>,
    ) -> (AppendGroup, Option<WriteRequest>) {
        // Tasks that are about to send a request (woken by the last commit or by a socket) get to
        // do so before this group is closed, as long as there are any.
        let mut waiting = 0;
        for _ in 0..ROUNDS {
            tokio::task::yield_now().await;
            if self.requests.len() == waiting {
                break;
            }
            waiting = self.requests.len();
        }
        #[allow(
            clippy::cast_precision_loss,
            reason = "a gauge is a float, and the queue is short"
        )]
        gauge!("session_log_queue_depth").set(self.requests.len() as f64);
        let mut group = AppendGroup::default();
        group.add(append, answer);
        while !group.is_full() {
            match self.requests.try_recv() {
                Ok(WriteRequest::Append(append, answer)) => group.add(append, answer),
                Ok(other) => return (group, Some(other)),
                Err(_) => break,
            }
        }
        (group, None)
    }

    /// Commits a group and answers every append in it. What may take longer follows the answers.
    async fn commit(
        &mut self,
        mut log_file: LogFile,
        group: AppendGroup,
    ) -> Result<LogFile, WriterEnd> {
        let AppendGroup {
            appends,
            answers,
            entries,
            bytes,
        } = group;
        let flushes = log_file.may_flush();
        let commit = move |log_file: &mut LogFile| {
            let started = Instant::now();
            (log_file.commit(appends), started.elapsed())
        };
        let (outcome, took) = if !flushes
            && self
                .placement
                .may_run_inline(entries, bytes, Instant::now())
        {
            commit(&mut log_file)
        } else {
            let (returned, done) = on_blocking_thread(log_file, commit).await?;
            log_file = returned;
            done
        };
        if !flushes {
            self.placement.record(entries, bytes, took, Instant::now());
        }
        self.healthy.store(outcome.is_ok(), Ordering::Relaxed);
        match outcome {
            Ok(verdicts) => {
                for (answer, verdict) in answers.into_iter().zip(verdicts) {
                    // A caller that no longer waits reads the log again.
                    let _ = answer.send(match verdict {
                        Verdict::Accepted => Ok(()),
                        Verdict::Conflict => Err(AppendError::Conflict),
                        Verdict::Malformed(why) => Err(AppendError::Unavailable(why.into())),
                    });
                }
            }
            Err(error) => {
                counter!("session_log_failed_commits_total").increment(1);
                tracing::error!(%error, appends = answers.len(), "the session log could not commit");
                let error = Arc::new(error);
                for answer in answers {
                    let _ =
                        answer.send(Err(AppendError::Unavailable(Box::new(Arc::clone(&error)))));
                }
            }
        }
        if !log_file.wants_last_step() {
            return Ok(log_file);
        }
        let (log_file, ()) = on_blocking_thread(log_file, LogFile::take_last_step).await?;
        Ok(log_file)
    }
}

/// Works on the file on a thread that may block: once for a whole group, since each handover wakes
/// another thread.
async fn on_blocking_thread<T: Send + 'static>(
    mut log_file: LogFile,
    work: impl FnOnce(&mut LogFile) -> T + Send + 'static,
) -> Result<(LogFile, T), WriterEnd> {
    spawn_blocking(move || {
        let done = work(&mut log_file);
        (log_file, done)
    })
    .await
    .map_err(WriterEnd::BlockingTask)
}

/// Registers the metrics' descriptions.
pub(super) fn describe_metrics() {
    describe_counter!(
        "session_log_failed_commits_total",
        Unit::Count,
        "Commits of the session log that failed; their appends were refused."
    );
    describe_gauge!(
        "session_log_queue_depth",
        Unit::Count,
        "Requests that waited behind the first of the last group."
    );
}
