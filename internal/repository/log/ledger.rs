//! What the writer works on: the writing connection, the heads that it knows and the entries that are still to be filed. Blocks while the
//! disk does.

use super::checkpoint::Checkpointer;
use super::head::{Head, Heads, Verdict};
use super::pending::{Fresh, Part, Pending};
use super::store::Boot;
use super::{journal, rows};
use crate::sqlite;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::Append;
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use rusqlite::{Connection, Result};
use std::collections::BTreeSet;
use std::time::Instant;

/// Bytes that one commit adds to one log, from which on the log is filed at once: they fill pages by themselves.
const LARGE: u64 = 16 << 10;

/// The file and what is known of it.
pub(super) struct Ledger {
    connection: Connection,
    checkpointer: Checkpointer,
    heads: Heads,
    pending: Pending,
    /// The row before which the journal is known to be empty; 0: not known.
    journal_begins: i64,
}

impl Ledger {
    pub(super) fn new(connection: Connection, checkpointer: Checkpointer, boot: Boot, pending: Pending) -> Self {
        Self { connection, checkpointer, heads: Heads::new(boot), pending, journal_begins: 0 }
    }

    /// Judges each append by itself, and writes those that fit in one transaction. On an error none of them is there, or that is unknown.
    pub(super) fn commit(&mut self, appends: Vec<Append>) -> Result<Vec<Verdict>> {
        let outcome = self.try_commit(appends);
        match &outcome {
            Ok(_) => self.heads.keep(),
            Err(_) => self.heads.forget_changed(),
        }
        outcome
    }

    fn try_commit(&mut self, appends: Vec<Append>) -> Result<Vec<Verdict>> {
        self.learn(&appends)?;
        let verdicts: Vec<Verdict> = appends.iter().map(|append| self.heads.judge(append)).collect();
        let started = Instant::now();
        let mut fresh = Fresh::new();
        for (append, _) in appends.into_iter().zip(&verdicts).filter(|(_, verdict)| **verdict == Verdict::Accepted) {
            let Append { session, records, snapshot, trim_to, .. } = append;
            fresh.entry(session).or_default().extend(Part { records, snapshot, trim_to });
        }
        if !fresh.is_empty() {
            let entries = fresh.values().map(|part| part.records.len()).sum();
            self.add(fresh)?;
            observe(entries, started);
        }
        Ok(verdicts)
    }

    /// Reads the heads that are not known.
    fn learn(&mut self, appends: &[Append]) -> Result<()> {
        for session in self.heads.missing(appends.iter().map(|append| append.session)) {
            let head = self.read_head(session)?;
            self.heads.learn(session, head);
        }
        Ok(())
    }

    /// The file has it as it was when the log was last filed. Since then only its index has moved.
    fn read_head(&self, session: SessionId) -> Result<Option<Head>> {
        let filed = rows::find_head(&self.connection, session)?;
        Ok(filed.map(|head| Head { index: self.pending.last_index(session).unwrap_or(head.index), ..head }))
    }

    /// Into the journal goes what only prolongs a log, so that its head in the file is right but for the index.
    fn add(&mut self, fresh: Fresh) -> Result<()> {
        let at_once = |session, part: &Part| part.records.is_empty() || part.bytes() >= LARGE || self.pending.outgrows(session, part);
        let at_once = fresh.iter().filter(|(session, part)| at_once(**session, part));
        let mut filed: BTreeSet<_> = at_once.map(|(session, _)| *session).chain(self.heads.turned()).collect();
        self.pending.choose(&fresh, &mut filed);
        self.commit_filing(filed, fresh)
    }

    /// Files these logs, and adds to the journal what is fresh of others.
    fn commit_filing(&mut self, filed: BTreeSet<SessionId>, fresh: Fresh) -> Result<()> {
        let mut group = journal::Group::default();
        for (session, part) in fresh.iter().filter(|(session, _)| !filed.contains(session)) {
            group.add(*session, &part.records);
        }
        let logs = self.to_file(&filed, &fresh)?;
        let first_row = self.pending.first_row(&filed);
        // Not known until this is committed.
        let begins = std::mem::take(&mut self.journal_begins);
        let (row, begins) = self.together(|db| {
            logs.iter().try_for_each(|(session, head, part)| file(db, *session, head, part))?;
            let row = if group.is_empty() { None } else { Some(group.write(db)?) };
            let needed = first_row.or(row).unwrap_or(journal::EMPTY);
            if needed != begins {
                journal::forget(db, needed)?;
            }
            Ok((row, needed))
        })?;
        self.journal_begins = begins;
        self.pending.committed(&filed, fresh, row);
        Ok(())
    }

    /// What is to be filed of these logs, and where they end then.
    fn to_file(&self, filed: &BTreeSet<SessionId>, fresh: &Fresh) -> Result<Vec<(SessionId, Head, Part)>> {
        let mut logs = Vec::new();
        for session in filed {
            let mut part = self.pending.of(*session);
            let head = match self.heads.get(*session) {
                Some(head) => Some(head.clone()),
                None => self.read_head(*session)?,
            };
            fresh.get(session).cloned().into_iter().for_each(|more| part.extend(more));
            logs.extend(head.map(|head| (*session, head, part)));
        }
        Ok(logs)
    }

    /// Forgets a log. All others are filed, so that nothing of it stays in the journal either.
    pub(super) fn delete(&mut self, session: SessionId) -> Result<()> {
        self.heads.forget(session);
        let mut filed = self.pending.all();
        filed.remove(&session);
        let logs = self.to_file(&filed, &Fresh::new())?;
        self.journal_begins = 0;
        self.together(|db| {
            logs.iter().try_for_each(|(session, head, part)| file(db, *session, head, part))?;
            rows::delete(db, session)?;
            journal::forget(db, journal::EMPTY)
        })?;
        self.journal_begins = journal::EMPTY;
        filed.insert(session);
        self.pending.committed(&filed, Fresh::new(), None);
        Ok(())
    }

    fn together<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.checkpointer.begin();
        let done = sqlite::together(&self.connection, work);
        match &done {
            Ok(_) => self.checkpointer.committed(),
            Err(_) => self.checkpointer.failed(),
        }
        done
    }

    /// Whether the next commit may flush the disk, however durable it is to be.
    pub(super) fn may_flush(&self) -> bool {
        self.checkpointer.may_catch_up()
    }

    /// Whether the writer has to take a checkpoint's last step itself.
    pub(super) const fn wants_last_step(&self) -> bool {
        self.checkpointer.wants_last_step()
    }

    /// Takes it; to be done when those whose entries are committed have been told.
    pub(super) fn take_last_step(&mut self) {
        self.checkpointer.take_last_step();
    }

    /// Files what is pending and closes the file. The last connection to it moves into it what is left in the write-ahead log.
    pub(super) fn close(mut self) -> Result<()> {
        // What cannot be filed now stays in the journal, and is filed when the file is opened again.
        let filed = self.commit_filing(self.pending.all(), Fresh::new());
        drop(self.checkpointer);
        self.connection.close().map_err(|(_, error)| error)?;
        filed
    }
}

fn file(db: &Connection, session: SessionId, head: &Head, part: &Part) -> Result<()> {
    if !part.records.is_empty() {
        rows::insert_entries(db, session, &part.records)?;
        rows::put_head(db, session, head)?;
    }
    if let Some(snapshot) = &part.snapshot {
        rows::put_snapshot(db, session, snapshot)?;
    }
    part.trim_to.map_or(Ok(()), |to| rows::trim(db, session, to))
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
