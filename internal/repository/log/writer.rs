//! The one task that writes: it commits what waits, together, and then answers.
//!
//! There is no timer. A lone append is committed at once; while a commit runs the next group gathers, so the busier it is the larger the
//! groups and the cheaper each entry. A fixed window would only add its length to every answer, and at the rate where it would pay, the
//! commit itself takes long enough to be one.

use super::head::{Head, Heads, Verdict};
use super::rows::{self, Statements};
use super::store::{Boot, FolderLock};
use crate::error::from_sqlx;
use faceshare_biz::Result;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::{Append, AppendError, LogRecord};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use sea_orm::sqlx::{self, Connection, SqliteConnection};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// A group is full with this many entries: over it a commit takes longer without getting cheaper for each.
pub(super) const GROUP_ENTRIES: usize = 512;
/// A group is full with this many bytes of payloads: a commit of it stays in the tens of milliseconds on a slow disk.
const GROUP_BYTES: usize = 4 << 20;

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
    connection: SqliteConnection,
    requests: mpsc::Receiver<Request>,
    heads: Heads,
    statements: Statements,
    committing: Arc<AtomicBool>,
    /// Let go of last.
    _lock: FolderLock,
}

impl Writer {
    pub(super) fn new(
        connection: SqliteConnection,
        lock: FolderLock,
        boot: Boot,
        requests: mpsc::Receiver<Request>,
        committing: Arc<AtomicBool>,
    ) -> Self {
        Self { connection, requests, heads: Heads::new(boot), statements: Statements::new(), committing, _lock: lock }
    }

    /// Until it is closed, or nobody is left who could ask.
    pub(super) async fn run(mut self) {
        let mut closing = Vec::new();
        let mut left_over = None;
        loop {
            let next = match left_over.take() {
                Some(request) => Some(request),
                None => self.requests.recv().await,
            };
            match next {
                Some(Request::Append(append, answer)) => {
                    let (group, rest) = self.gather(append, answer).await;
                    left_over = rest;
                    self.commit(group).await;
                }
                Some(Request::Delete(session, answer)) => {
                    let _ = answer.send(self.delete(session).await.map_err(from_sqlx));
                }
                Some(Request::Close(done)) => {
                    // What is in the queue is still to be served; then it is at its end.
                    self.requests.close();
                    closing.push(done);
                }
                None => break,
            }
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the session log did not close cleanly; it will recover when it is opened");
        }
        // So that whoever waits for the end may open the file again.
        drop(self._lock);
        for done in closing {
            let _ = done.send(());
        }
    }

    /// The first append and all that wait behind it, up to something that is no append.
    async fn gather(&mut self, append: Append, answer: oneshot::Sender<Result<(), AppendError>>) -> (Group, Option<Request>) {
        // Tasks that were woken by the same event (the last commit, a broadcast) get to ask before this group is closed.
        tokio::task::yield_now().await;
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

    /// Commits a group and answers everybody in it.
    async fn commit(&mut self, group: Group) {
        match self.try_commit(&group.appends).await {
            Ok(verdicts) => {
                self.heads.keep();
                self.committing.store(true, Ordering::Relaxed);
                for (answer, verdict) in group.answers.into_iter().zip(verdicts) {
                    // Whoever does not wait any more reads the log again.
                    let _ = answer.send(match verdict {
                        Verdict::Accepted => Ok(()),
                        Verdict::Conflict => Err(AppendError::Conflict),
                        Verdict::Malformed(why) => Err(AppendError::Unavailable(why.into())),
                    });
                }
            }
            Err(error) => {
                self.heads.forget_changed();
                self.committing.store(false, Ordering::Relaxed);
                counter!("session_log_failed_commits_total").increment(1);
                tracing::error!(%error, appends = group.answers.len(), "the session log could not commit");
                let error = Arc::new(error);
                for answer in group.answers {
                    let _ = answer.send(Err(AppendError::Unavailable(Box::new(Arc::clone(&error)))));
                }
            }
        }
    }

    /// Judges each append by itself, and writes those that fit in one transaction. On an error none of them is there, or that is unknown.
    async fn try_commit(&mut self, appends: &[Append]) -> Result<Vec<Verdict>, sqlx::Error> {
        self.learn_heads(appends).await?;
        let verdicts: Vec<Verdict> = appends.iter().map(|append| self.heads.judge(append)).collect();
        let accepted = || appends.iter().zip(&verdicts).filter(|(_, verdict)| **verdict == Verdict::Accepted).map(|(append, _)| append);
        if accepted().next().is_none() {
            return Ok(verdicts);
        }
        let entries: Vec<(SessionId, &LogRecord)> =
            accepted().flat_map(|append| append.records.iter().map(|record| (append.session, record))).collect();
        let heads = self.heads.changed();

        let started = Instant::now();
        rows::begin(&mut self.connection).await?;
        let written = self.write(&entries, &heads, accepted()).await;
        rows::end(&mut self.connection, written).await?;
        observe(entries.len(), started);
        Ok(verdicts)
    }

    async fn write(
        &mut self,
        entries: &[(SessionId, &LogRecord)],
        heads: &[(SessionId, Head)],
        accepted: impl Iterator<Item = &Append>,
    ) -> Result<(), sqlx::Error> {
        self.statements.insert_entries(&mut self.connection, entries).await?;
        self.statements.put_heads(&mut self.connection, heads).await?;
        for append in accepted {
            if let Some(snapshot) = &append.snapshot {
                rows::put_snapshot(&mut self.connection, append.session, snapshot).await?;
            }
            if let Some(to) = append.trim_to {
                rows::trim(&mut self.connection, append.session, to).await?;
            }
        }
        Ok(())
    }

    async fn learn_heads(&mut self, appends: &[Append]) -> Result<(), sqlx::Error> {
        let missing = self.heads.missing(appends.iter().map(|append| append.session));
        if missing.is_empty() {
            return Ok(());
        }
        let mut found: HashMap<SessionId, Head> = self.statements.find_heads(&mut self.connection, &missing).await?.into_iter().collect();
        for session in missing {
            self.heads.learn(session, found.remove(&session));
        }
        Ok(())
    }

    async fn delete(&mut self, session: SessionId) -> Result<(), sqlx::Error> {
        self.heads.forget(session);
        rows::begin(&mut self.connection).await?;
        let deleted = rows::delete(&mut self.connection, session).await;
        rows::end(&mut self.connection, deleted).await
    }
}

fn observe(entries: usize, started: Instant) {
    counter!("session_log_commits_total").increment(1);
    #[allow(clippy::cast_precision_loss, reason = "a histogram takes floats, and a group is small")]
    histogram!("session_log_entries_per_commit").record(entries as f64);
    histogram!("session_log_commit_seconds").record(started.elapsed());
}

/// Says what the metrics mean.
pub(super) fn describe_metrics() {
    describe_counter!("session_log_commits_total", Unit::Count, "Commits of the session log.");
    describe_counter!(
        "session_log_failed_commits_total",
        Unit::Count,
        "Commits of the session log that failed; their appends were refused."
    );
    describe_histogram!("session_log_entries_per_commit", Unit::Count, "Entries that one commit of the session log made durable.");
    describe_histogram!("session_log_commit_seconds", Unit::Seconds, "How long a commit of the session log took.");
    describe_gauge!("session_log_queue_depth", Unit::Count, "Requests that waited behind the first of the last group.");
}
