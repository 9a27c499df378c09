//! What the writer works on: the writing connection, and the heads that it knows. Blocks while the disk does.

use super::head::{Heads, Verdict};
use super::rows;
use super::store::Boot;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::Append;
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use rusqlite::{Connection, Result};
use std::time::Instant;

/// The file and what is known of it.
pub(super) struct Ledger {
    connection: Connection,
    heads: Heads,
}

impl Ledger {
    pub(super) fn new(connection: Connection, boot: Boot) -> Self {
        Self { connection, heads: Heads::new(boot) }
    }

    /// Judges each append by itself, and writes those that fit in one transaction. On an error none of them is there, or that is unknown.
    pub(super) fn commit(&mut self, appends: &[Append]) -> Result<Vec<Verdict>> {
        let outcome = self.try_commit(appends);
        match &outcome {
            Ok(_) => self.heads.keep(),
            Err(_) => self.heads.forget_changed(),
        }
        outcome
    }

    fn try_commit(&mut self, appends: &[Append]) -> Result<Vec<Verdict>> {
        for session in self.heads.missing(appends.iter().map(|append| append.session)) {
            let head = rows::find_head(&self.connection, session)?;
            self.heads.learn(session, head);
        }
        let verdicts: Vec<Verdict> = appends.iter().map(|append| self.heads.judge(append)).collect();
        let accepted: Vec<_> =
            appends.iter().zip(&verdicts).filter(|(_, verdict)| **verdict == Verdict::Accepted).map(|(append, _)| append).collect();
        if accepted.is_empty() {
            return Ok(verdicts);
        }
        let started = Instant::now();
        let heads = self.heads.changed();
        rows::together(&self.connection, |db| {
            accepted.iter().try_for_each(|append| rows::insert_entries(db, append.session, &append.records))?;
            heads.iter().try_for_each(|(session, head)| rows::put_head(db, *session, head))?;
            accepted.iter().try_for_each(|append| keep_house(db, append))
        })?;
        observe(accepted.iter().map(|append| append.records.len()).sum(), started);
        Ok(verdicts)
    }

    /// Forgets a log.
    pub(super) fn delete(&mut self, session: SessionId) -> Result<()> {
        self.heads.forget(session);
        rows::together(&self.connection, |db| rows::delete(db, session))
    }

    /// Closes the file.
    pub(super) fn close(self) -> Result<()> {
        self.connection.close().map_err(|(_, error)| error)
    }
}

fn keep_house(db: &Connection, append: &Append) -> Result<()> {
    if let Some(snapshot) = &append.snapshot {
        rows::put_snapshot(db, append.session, snapshot)?;
    }
    append.trim_to.map_or(Ok(()), |to| rows::trim(db, append.session, to))
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
    describe_histogram!("session_log_entries_per_commit", Unit::Count, "Entries that one commit of the session log made durable.");
    describe_histogram!("session_log_commit_seconds", Unit::Seconds, "How long a commit of the session log took.");
}
