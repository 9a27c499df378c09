//! The one task that writes: it commits what waits, together, and then answers.
//!
//! There is no timer. A lone append is committed at once; while a commit runs the next group gathers, so the busier it is the larger the
//! groups and the cheaper each entry. A fixed window would only add its length to every answer, and at the rate where it would pay, the
//! commit itself takes long enough to be one.

use super::head::Verdict;
use super::ledger::Ledger;
use super::stalls::Stalls;
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

/// A group is full with this many entries: over it a commit takes longer without getting cheaper for each.
pub(super) const GROUP_ENTRIES: usize = 512;
/// A group is full with this many bytes of payloads: a commit of it stays in the tens of milliseconds on a slow disk.
const GROUP_BYTES: usize = 4 << 20;

/// A group waits for so many rounds of the other tasks at most: a round is short, but under load there is always another one.
const ROUNDS: usize = 8;

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum Request {
    /// Add to a log.
    Append(Append, oneshot::Sender<Result<(), AppendError>>),
    /// Forget a log.
    Delete(SessionId, oneshot::Sender<Result<()>>),
    /// Commit what waits, take no more, and end.
    Close(oneshot::Sender<()>),
}

/// How the writer ended before it was told to.
enum End {
    /// On the thread that serves it.
    Panic,
    /// On the thread that was at the file.
    Lost(JoinError),
}

/// Appends that are committed together.
#[derive(Default)]
struct Group {
    appends: Vec<Append>,
    answers: Vec<oneshot::Sender<Result<(), AppendError>>>,
    entries: usize,
    bytes: usize,
}

impl Group {
    fn add(&mut self, append: Append, answer: oneshot::Sender<Result<(), AppendError>>) {
        self.entries += append.records.len().max(1);
        self.bytes += append.records.iter().map(|record| record.payload.len()).sum::<usize>();
        self.bytes += append.snapshot.as_ref().map_or(0, |snapshot| snapshot.payload.len());
        self.appends.push(append);
        self.answers.push(answer);
    }

    const fn is_full(&self) -> bool {
        self.entries >= GROUP_ENTRIES || self.bytes >= GROUP_BYTES
    }
}

/// The writer's belongings. When it ends, for whatever reason, its queue closes and everybody is told.
pub(super) struct Writer {
    requests: mpsc::Receiver<Request>,
    committing: Arc<AtomicBool>,
    lock: FolderLock,
    stalls: Stalls,
}

impl Writer {
    pub(super) fn new(lock: FolderLock, requests: mpsc::Receiver<Request>, committing: Arc<AtomicBool>, stalls: Stalls) -> Self {
        Self { requests, committing, lock, stalls }
    }

    /// Until it is closed, or nobody is left who could ask. A panic at the file ends it too: what is on disk then, nobody can say.
    pub(super) async fn run(mut self, ledger: Ledger) {
        let mut closing = Vec::new();
        match AssertUnwindSafe(self.serve(ledger, &mut closing)).catch_unwind().await.unwrap_or(Err(End::Panic)) {
            Ok(ledger) => {
                if let Ok(Err(error)) = spawn_blocking(move || ledger.close()).await {
                    tracing::warn!(%error, "the session log did not close cleanly; it will recover when it is opened");
                }
            }
            Err(End::Panic) => tracing::error!("the session log's writer has panicked"),
            Err(End::Lost(error)) => tracing::error!(%error, "the session log's writer has ended"),
        }
        // So that whoever waits for the end may open the file again.
        drop(self.lock);
        for done in closing {
            let _ = done.send(());
        }
    }

    async fn serve(&mut self, mut ledger: Ledger, closing: &mut Vec<oneshot::Sender<()>>) -> Result<Ledger, End> {
        let mut left_over = None;
        loop {
            let next = match left_over.take() {
                Some(request) => Some(request),
                None => self.requests.recv().await,
            };
            match next {
                Some(Request::Append(append, answer)) => {
                    let (group, rest) = self.gather(append, answer).await;
                    left_over = match rest {
                        Some(Request::Close(done)) => {
                            self.close_for(done, closing);
                            None
                        }
                        rest => rest,
                    };
                    ledger = self.commit(ledger, group).await?;
                }
                Some(Request::Delete(session, answer)) => {
                    let (kept, deleted) = at_the_file(ledger, move |ledger| ledger.delete(session)).await?;
                    ledger = kept;
                    let _ = answer.send(deleted.map_err(from_rusqlite));
                }
                Some(Request::Close(done)) => self.close_for(done, closing),
                None => return Ok(ledger),
            }
        }
    }

    /// What is in the queue is still to be served; then it is at its end.
    fn close_for(&mut self, done: oneshot::Sender<()>, closing: &mut Vec<oneshot::Sender<()>>) {
        self.requests.close();
        closing.push(done);
    }

    /// The first append and all that wait behind it, up to something that is no append.
    async fn gather(&mut self, append: Append, answer: oneshot::Sender<Result<(), AppendError>>) -> (Group, Option<Request>) {
        // Tasks that are about to ask (woken by the last commit, by a socket) get to do so before this group is closed, as long as any do.
        let mut waiting = 0;
        for _ in 0..ROUNDS {
            tokio::task::yield_now().await;
            if self.requests.len() == waiting {
                break;
            }
            waiting = self.requests.len();
        }
        #[allow(clippy::cast_precision_loss, reason = "a gauge is a float, and the queue is short")]
        gauge!("session_log_queue_depth").set(self.requests.len() as f64);
        let mut group = Group::default();
        group.add(append, answer);
        while !group.is_full() {
            match self.requests.try_recv() {
                Ok(Request::Append(append, answer)) => group.add(append, answer),
                Ok(other) => return (group, Some(other)),
                Err(_) => break,
            }
        }
        (group, None)
    }

    /// Commits a group and answers everybody in it; what may take longer comes after that.
    async fn commit(&mut self, mut ledger: Ledger, group: Group) -> Result<Ledger, End> {
        let Group { appends, answers, entries, bytes } = group;
        let flushes = ledger.may_flush();
        let commit = move |ledger: &mut Ledger| {
            let began = Instant::now();
            (ledger.commit(appends), began.elapsed())
        };
        let (outcome, took) = if !flushes && self.stalls.unlikely(entries, bytes, Instant::now()) {
            commit(&mut ledger)
        } else {
            let (kept, done) = at_the_file(ledger, commit).await?;
            ledger = kept;
            done
        };
        if !flushes {
            self.stalls.committed(entries, bytes, took, Instant::now());
        }
        self.committing.store(outcome.is_ok(), Ordering::Relaxed);
        match outcome {
            Ok(verdicts) => {
                for (answer, verdict) in answers.into_iter().zip(verdicts) {
                    // Whoever does not wait any more reads the log again.
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
                    let _ = answer.send(Err(AppendError::Unavailable(Box::new(Arc::clone(&error)))));
                }
            }
        }
        if !ledger.wants_last_step() {
            return Ok(ledger);
        }
        let (ledger, ()) = at_the_file(ledger, Ledger::take_last_step).await?;
        Ok(ledger)
    }
}

/// Works at the file where blocking is allowed: for a whole group at once, since each crossing wakes another thread.
async fn at_the_file<T: Send + 'static>(
    mut ledger: Ledger,
    work: impl FnOnce(&mut Ledger) -> T + Send + 'static,
) -> Result<(Ledger, T), End> {
    spawn_blocking(move || {
        let done = work(&mut ledger);
        (ledger, done)
    })
    .await
    .map_err(End::Lost)
}

/// Says what the metrics mean.
pub(super) fn describe_metrics() {
    describe_counter!(
        "session_log_failed_commits_total",
        Unit::Count,
        "Commits of the session log that failed; their appends were refused."
    );
    describe_gauge!("session_log_queue_depth", Unit::Count, "Requests that waited behind the first of the last group.");
}
