//! The file as the writer sees it: the writing connection, the cached heads and the entries that
//! are still to be merged. Its methods block while the disk does.

use super::checkpoint::Checkpointer;
use super::head::{Head, Heads, Verdict};
use super::pending::{NewEntries, Pending, PendingPart};
use super::store::Boot;
use super::{journal, rows};
use crate::sqlite;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::Append;
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use rusqlite::{Connection, Result};
use std::collections::BTreeSet;
use std::time::Instant;

/// If one commit adds this many bytes to one log, it merges the log at once: the entries fill pages
/// by themselves.
const LARGE_PART_BYTES: u64 = 16 << 10;

/// The opened file and the writer's caches of it.
pub(super) struct LogFile {
    connection: Connection,
    checkpointer: Checkpointer,
    heads: Heads,
    pending: Pending,
    /// The first row that the journal may have; 0 if that is unknown.
    journal_start: i64,
}

impl LogFile {
    pub(super) fn new(
        connection: Connection,
        checkpointer: Checkpointer,
        boot: Boot,
        pending: Pending,
    ) -> Self {
        Self {
            connection,
            checkpointer,
            heads: Heads::new(boot),
            pending,
            journal_start: 0,
        }
    }

    /// Checks each append and writes the accepted ones in one transaction. After an error none of
    /// them is in the log, or their state is unknown.
    pub(super) fn commit(&mut self, appends: Vec<Append>) -> Result<Vec<Verdict>> {
        let outcome = self.try_commit(appends);
        match &outcome {
            Ok(_) => self.heads.commit(),
            Err(_) => self.heads.remove_changed(),
        }
        outcome
    }

    fn try_commit(&mut self, appends: Vec<Append>) -> Result<Vec<Verdict>> {
        self.read_missing_heads(&appends)?;
        let verdicts: Vec<Verdict> = appends
            .iter()
            .map(|append| self.heads.check(append))
            .collect();
        let started = Instant::now();
        let mut new_entries = NewEntries::new();
        for (append, _) in appends
            .into_iter()
            .zip(&verdicts)
            .filter(|(_, verdict)| **verdict == Verdict::Accepted)
        {
            let Append {
                session,
                records,
                snapshot,
                trim_to,
                ..
            } = append;
            new_entries.entry(session).or_default().extend(PendingPart {
                records,
                snapshot,
                trim_to,
            });
        }
        if !new_entries.is_empty() {
            let entries = new_entries.values().map(|part| part.records.len()).sum();
            self.add(new_entries)?;
            observe(entries, started);
        }
        Ok(verdicts)
    }

    /// Reads the heads that are not cached.
    fn read_missing_heads(&mut self, appends: &[Append]) -> Result<()> {
        for session in self
            .heads
            .missing(appends.iter().map(|append| append.session))
        {
            let head = self.read_head(session)?;
            self.heads.insert(session, head);
        }
        Ok(())
    }

    /// The file has the head as of the last merge. Since then only the index has moved.
    fn read_head(&self, session: SessionId) -> Result<Option<Head>> {
        let merged = rows::find_head(&self.connection, session)?;
        Ok(merged.map(|head| Head {
            index: self.pending.last_index(session).unwrap_or(head.index),
            ..head
        }))
    }

    /// An append goes into the journal only if it prolongs its log and nothing else, so that the
    /// stored head is right except for the index.
    fn add(&mut self, new_entries: NewEntries) -> Result<()> {
        let at_once = |session, part: &PendingPart| {
            part.records.is_empty()
                || part.bytes() >= LARGE_PART_BYTES
                || self.pending.exceeds_log_limit(session, part)
        };
        let at_once = new_entries
            .iter()
            .filter(|(session, part)| at_once(**session, part));
        let mut merged: BTreeSet<_> = at_once
            .map(|(session, _)| *session)
            .chain(self.heads.rewritten())
            .collect();
        self.pending.add_oldest(&new_entries, &mut merged);
        self.commit_merging(merged, new_entries)
    }

    /// Merges these logs, and adds the new entries of all others to the journal.
    fn commit_merging(
        &mut self,
        merged: BTreeSet<SessionId>,
        new_entries: NewEntries,
    ) -> Result<()> {
        let mut journal_row = journal::JournalRow::default();
        for (session, part) in new_entries
            .iter()
            .filter(|(session, _)| !merged.contains(session))
        {
            journal_row.add(*session, &part.records);
        }
        let logs = self.to_merge(&merged, &new_entries)?;
        let first_row = self.pending.first_row(&merged);
        // Unknown until the transaction is committed.
        let start = std::mem::take(&mut self.journal_start);
        let (row, start) = self.in_transaction(|db| {
            logs.iter()
                .try_for_each(|(session, head, part)| merge(db, *session, head, part))?;
            let row = if journal_row.is_empty() {
                None
            } else {
                Some(journal_row.write(db)?)
            };
            let needed = first_row.or(row).unwrap_or(journal::EMPTY);
            if needed != start {
                journal::delete_before(db, needed)?;
            }
            Ok((row, needed))
        })?;
        self.journal_start = start;
        self.pending.committed(&merged, new_entries, row);
        Ok(())
    }

    /// For each of these logs, what is to be merged and its head after that.
    fn to_merge(
        &self,
        merged: &BTreeSet<SessionId>,
        new_entries: &NewEntries,
    ) -> Result<Vec<(SessionId, Head, PendingPart)>> {
        let mut logs = Vec::new();
        for session in merged {
            let mut part = self.pending.of(*session);
            let head = match self.heads.get(*session) {
                Some(head) => Some(head.clone()),
                None => self.read_head(*session)?,
            };
            new_entries
                .get(session)
                .cloned()
                .into_iter()
                .for_each(|more| part.extend(more));
            logs.extend(head.map(|head| (*session, head, part)));
        }
        Ok(logs)
    }

    /// Deletes a log. All others are merged, so that none of its entries stays in the journal.
    pub(super) fn delete(&mut self, session: SessionId) -> Result<()> {
        self.heads.remove(session);
        let mut merged = self.pending.all();
        merged.remove(&session);
        let logs = self.to_merge(&merged, &NewEntries::new())?;
        self.journal_start = 0;
        self.in_transaction(|db| {
            logs.iter()
                .try_for_each(|(session, head, part)| merge(db, *session, head, part))?;
            rows::delete(db, session)?;
            journal::delete_before(db, journal::EMPTY)
        })?;
        self.journal_start = journal::EMPTY;
        merged.insert(session);
        self.pending.committed(&merged, NewEntries::new(), None);
        Ok(())
    }

    fn in_transaction<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.checkpointer.begin();
        let done = sqlite::in_transaction(&self.connection, work);
        match &done {
            Ok(_) => self.checkpointer.committed(),
            Err(_) => self.checkpointer.failed(),
        }
        done
    }

    /// Whether the next commit may flush the disk, whatever the configured durability.
    pub(super) fn may_flush(&self) -> bool {
        self.checkpointer.may_catch_up()
    }

    /// Whether the writer has to run the last step of a checkpoint itself.
    pub(super) const fn wants_last_step(&self) -> bool {
        self.checkpointer.wants_last_step()
    }

    /// Runs that step. The caller answers the committed appends first.
    pub(super) fn take_last_step(&mut self) {
        self.checkpointer.take_last_step();
    }

    /// Merges what is pending and closes the file. Closing the last connection moves the
    /// write-ahead log into the file.
    pub(super) fn close(mut self) -> Result<()> {
        // What cannot be merged now stays in the journal and is merged when the file is opened
        // again.
        let merged = self.commit_merging(self.pending.all(), NewEntries::new());
        drop(self.checkpointer);
        self.connection.close().map_err(|(_, error)| error)?;
        merged
    }
}

fn merge(db: &Connection, session: SessionId, head: &Head, part: &PendingPart) -> Result<()> {
    if !part.records.is_empty() {
        rows::insert_entries(db, session, &part.records)?;
        rows::put_head(db, session, head)?;
    }
    if let Some(snapshot) = &part.snapshot {
        rows::put_snapshot(db, session, snapshot)?;
    }
    part.trim_to
        .map_or(Ok(()), |to| rows::trim(db, session, to))
}

fn observe(entries: usize, started: Instant) {
    counter!("session_log_commits_total").increment(1);
    #[allow(
        clippy::cast_precision_loss,
        reason = "a histogram takes floats, and a group is small"
    )]
    histogram!("session_log_entries_per_commit").record(entries as f64);
    histogram!("session_log_commit_seconds").record(started.elapsed());
}

/// Registers the metrics' descriptions.
pub(super) fn describe_metrics() {
    describe_counter!(
        "session_log_commits_total",
        Unit::Count,
        "Commits of the session log."
    );
    describe_histogram!(
        "session_log_entries_per_commit",
        Unit::Count,
        "Entries that one commit of the session log made durable."
    );
    describe_histogram!(
        "session_log_commit_seconds",
        Unit::Seconds,
        "How long a commit of the session log took."
    );
}
