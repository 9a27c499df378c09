//! The simulated log: slow, failing, uncertain and trimmed, as far as its port allows.

use crate::archive::Archive;
use crate::bug::Bug;
use crate::random::Random;
use async_trait::async_trait;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::{
    Append, AppendError, Epoch, Loaded, LogRecord, Retained, Seq, SessionLog, SnapshotRecord,
};
use faceshare_biz::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How the store behaves for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreMode {
    /// Fast and without errors.
    Healthy,
    /// Slow.
    Slow,
    /// Often fails: before it writes, after it has written, and on reading.
    Failing,
}

/// The content of the log, and how the store behaves.
#[derive(Debug)]
pub(crate) struct Store(Mutex<Disk>);

#[derive(Debug)]
struct Disk {
    random: Random,
    mode: StoreMode,
    bug: Bug,
    records: Vec<LogRecord>,
    snapshot: Option<SnapshotRecord>,
    /// The last entry that was trimmed.
    trimmed: Option<LogRecord>,
    archive: Archive,
    /// Whether the next load reports that the log may have lost entries.
    suspect: bool,
}

/// The faults of one append.
struct AppendFaults {
    before: Duration,
    after: Duration,
    fails_before: bool,
    fails_after: bool,
    lost: bool,
}

impl Disk {
    fn head(&self) -> u64 {
        self.records
            .last()
            .or(self.trimmed.as_ref())
            .map_or(0, |r| r.index)
    }

    fn draw_faults(&mut self) -> AppendFaults {
        let most = match self.mode {
            StoreMode::Healthy => 3,
            StoreMode::Slow => 400,
            StoreMode::Failing => 60,
        };
        let (before, after) = (self.random.millis(0, most), self.random.millis(0, most));
        let failing = self.mode == StoreMode::Failing;
        let (fails_before, fails_after) = (
            failing && self.random.one_in(3),
            failing && self.random.one_in(3),
        );
        let lost = self.bug == Bug::LostAck && self.random.one_in(20);
        AppendFaults {
            before,
            after,
            fails_before,
            fails_after,
            lost,
        }
    }

    fn write(&mut self, batch: Append) -> Result<(), AppendError> {
        if self.head() != batch.expected_index {
            return Err(AppendError::Conflict);
        }
        for record in &batch.records {
            self.archive.commit(record, batch.snapshot.as_ref());
        }
        self.records.extend(batch.records);
        self.snapshot = batch.snapshot.or(self.snapshot.take());
        self.trim(batch.trim_to.unwrap_or(0));
        Ok(())
    }

    fn trim(&mut self, to: u64) {
        let to = self.snapshot.as_ref().map_or(0, |s| s.index).min(to);
        let kept = self
            .records
            .iter()
            .position(|r| r.index > to)
            .unwrap_or(self.records.len());
        self.trimmed = self.records.drain(..kept).last().or(self.trimmed.take());
    }

    fn fails_to_read(&mut self) -> bool {
        self.mode == StoreMode::Failing && self.random.one_in(4)
    }

    fn loaded(&mut self) -> Option<Loaded> {
        let epoch = self.records.last().map(|r| r.epoch.clone())?;
        let retained = |r: &LogRecord| Retained {
            index: r.index,
            last_seq: r.last_seq,
            at: r.at,
            size: u32::try_from(r.payload.len()).unwrap_or(u32::MAX),
        };
        let known = self.snapshot.as_ref().map_or(0, |s| s.index);
        Some(Loaded {
            snapshot: self.snapshot.clone(),
            records: self
                .records
                .iter()
                .filter(|r| r.index > known)
                .cloned()
                .collect(),
            retained: self
                .records
                .iter()
                .filter(|r| r.epoch == epoch)
                .map(retained)
                .collect(),
            suspect: std::mem::take(&mut self.suspect),
        })
    }
}

impl Store {
    pub(crate) fn new(random: Random, bug: Bug) -> Self {
        Self(Mutex::new(Disk {
            random,
            mode: StoreMode::Healthy,
            bug,
            records: Vec::new(),
            snapshot: None,
            trimmed: None,
            archive: Archive::default(),
            suspect: false,
        }))
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0
            .lock()
            .expect("invariant: nothing panics while it holds the disk")
    }

    pub(crate) fn set_mode(&self, mode: StoreMode) {
        self.disk().mode = mode;
    }

    /// Makes the next load report the log as suspect.
    pub(crate) fn suspect(&self) {
        self.disk().suspect = true;
    }

    /// Calls `look` with the content of the log.
    pub(crate) fn archive<T>(&self, look: impl FnOnce(&mut Archive) -> T) -> T {
        look(&mut self.disk().archive)
    }
}

fn store_error() -> Error {
    Error::unavailable("the simulated store is unavailable")
}

fn unavailable() -> AppendError {
    AppendError::Unavailable(Box::new(store_error()))
}

/// The store as one process has it open. A dead process writes nothing.
#[derive(Debug)]
pub(crate) struct OpenStore {
    pub(crate) store: Arc<Store>,
    pub(crate) dead: Arc<AtomicBool>,
}

impl OpenStore {
    fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl SessionLog for OpenStore {
    async fn append(&self, batch: Append) -> Result<(), AppendError> {
        let faults = self.store.disk().draw_faults();
        tokio::time::sleep(faults.before).await;
        if self.is_dead() {
            return Err(AppendError::Conflict);
        }
        if faults.fails_before {
            return Err(unavailable());
        }
        if !faults.lost || batch.expected_index == 0 {
            self.store.disk().write(batch)?;
        }
        tokio::time::sleep(faults.after).await;
        if faults.fails_after {
            Err(unavailable())
        } else {
            Ok(())
        }
    }

    async fn load(&self, _: SessionId) -> Result<Option<Loaded>> {
        let (wait, fails) = {
            let mut disk = self.store.disk();
            (disk.random.millis(0, 5), disk.fails_to_read())
        };
        tokio::time::sleep(wait).await;
        if fails || self.is_dead() {
            Err(store_error())
        } else {
            Ok(self.store.disk().loaded())
        }
    }

    async fn read(
        &self,
        _: SessionId,
        epoch: &Epoch,
        after: Seq,
        limit: u32,
    ) -> Result<Vec<LogRecord>> {
        let (wait, fails) = {
            let mut disk = self.store.disk();
            (disk.random.millis(0, 10), disk.fails_to_read())
        };
        tokio::time::sleep(wait).await;
        if fails || self.is_dead() {
            return Err(store_error());
        }
        let disk = self.store.disk();
        if disk
            .trimmed
            .as_ref()
            .is_some_and(|r| r.epoch == *epoch && r.last_seq > after)
        {
            return Err(Error::not_found());
        }
        Ok(disk
            .records
            .iter()
            .filter(|r| r.epoch == *epoch && r.last_seq > after)
            .take(limit as usize)
            .cloned()
            .collect())
    }

    async fn sessions(&self) -> Result<Vec<SessionId>> {
        Ok(vec![crate::ports::session_id()])
    }

    async fn delete(&self, _: SessionId) -> Result<()> {
        Ok(())
    }
}
