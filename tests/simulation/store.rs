//! The simulated log: late, failing, unsure and forgetful, as its port allows, and no worse.

use crate::archive::Archive;
use crate::bug::Bug;
use crate::chance::Chance;
use async_trait::async_trait;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::{Append, AppendError, Epoch, Loaded, LogRecord, Retained, Seq, SessionLog, SnapshotRecord};
use faceshare_biz::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How a store is for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Quick and sure.
    Well,
    /// Takes its time.
    Slow,
    /// Often fails: before it writes, after it has written, and on reading.
    Failing,
}

/// What is on the disk, and how that behaves.
#[derive(Debug)]
pub(crate) struct Store(Mutex<Disk>);

#[derive(Debug)]
struct Disk {
    chance: Chance,
    mood: Mood,
    bug: Bug,
    records: Vec<LogRecord>,
    snapshot: Option<SnapshotRecord>,
    /// The last entry that was forgotten.
    forgotten: Option<LogRecord>,
    archive: Archive,
    /// The next load says that the log may have lost something.
    suspect: bool,
}

/// How an append goes.
struct Fate {
    before: Duration,
    after: Duration,
    fails_before: bool,
    fails_after: bool,
    lost: bool,
}

impl Disk {
    fn head(&self) -> u64 {
        self.records.last().or(self.forgotten.as_ref()).map_or(0, |r| r.index)
    }

    fn fate(&mut self) -> Fate {
        let most = match self.mood {
            Mood::Well => 3,
            Mood::Slow => 400,
            Mood::Failing => 60,
        };
        let (before, after) = (self.chance.millis(0, most), self.chance.millis(0, most));
        let failing = self.mood == Mood::Failing;
        let (fails_before, fails_after) = (failing && self.chance.one_in(3), failing && self.chance.one_in(3));
        let lost = self.bug == Bug::LostAck && self.chance.one_in(20);
        Fate { before, after, fails_before, fails_after, lost }
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
        let kept = self.records.iter().position(|r| r.index > to).unwrap_or(self.records.len());
        self.forgotten = self.records.drain(..kept).last().or(self.forgotten.take());
    }

    fn fails_to_read(&mut self) -> bool {
        self.mood == Mood::Failing && self.chance.one_in(4)
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
            records: self.records.iter().filter(|r| r.index > known).cloned().collect(),
            retained: self.records.iter().filter(|r| r.epoch == epoch).map(retained).collect(),
            suspect: std::mem::take(&mut self.suspect),
        })
    }
}

impl Store {
    pub(crate) fn new(chance: Chance, bug: Bug) -> Self {
        Self(Mutex::new(Disk {
            chance,
            mood: Mood::Well,
            bug,
            records: Vec::new(),
            snapshot: None,
            forgotten: None,
            archive: Archive::default(),
            suspect: false,
        }))
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().expect("invariant: nothing panics while it holds the disk")
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        self.disk().mood = mood;
    }

    /// The next load is not sure of the end of the log.
    pub(crate) fn suspect(&self) {
        self.disk().suspect = true;
    }

    /// Looks at what is in the log.
    pub(crate) fn archive<T>(&self, look: impl FnOnce(&mut Archive) -> T) -> T {
        look(&mut self.disk().archive)
    }
}

fn away() -> Error {
    Error::unavailable("the simulated store is away")
}

fn unavailable() -> AppendError {
    AppendError::Unavailable(Box::new(away()))
}

/// The store, as one process has it open. A process that is dead writes nothing any more.
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
        let fate = self.store.disk().fate();
        tokio::time::sleep(fate.before).await;
        if self.is_dead() {
            return Err(AppendError::Conflict);
        }
        if fate.fails_before {
            return Err(unavailable());
        }
        if !fate.lost || batch.expected_index == 0 {
            self.store.disk().write(batch)?;
        }
        tokio::time::sleep(fate.after).await;
        if fate.fails_after { Err(unavailable()) } else { Ok(()) }
    }

    async fn load(&self, _: SessionId) -> Result<Option<Loaded>> {
        let (wait, fails) = {
            let mut disk = self.store.disk();
            (disk.chance.millis(0, 5), disk.fails_to_read())
        };
        tokio::time::sleep(wait).await;
        if fails || self.is_dead() { Err(away()) } else { Ok(self.store.disk().loaded()) }
    }

    async fn read(&self, _: SessionId, epoch: &Epoch, after: Seq, limit: u32) -> Result<Vec<LogRecord>> {
        let (wait, fails) = {
            let mut disk = self.store.disk();
            (disk.chance.millis(0, 10), disk.fails_to_read())
        };
        tokio::time::sleep(wait).await;
        if fails || self.is_dead() {
            return Err(away());
        }
        let disk = self.store.disk();
        if disk.forgotten.as_ref().is_some_and(|r| r.epoch == *epoch && r.last_seq > after) {
            return Err(Error::not_found());
        }
        Ok(disk.records.iter().filter(|r| r.epoch == *epoch && r.last_seq > after).take(limit as usize).cloned().collect())
    }

    async fn sessions(&self) -> Result<Vec<SessionId>> {
        Ok(vec![crate::ports::session_id()])
    }

    async fn delete(&self, _: SessionId) -> Result<()> {
        Ok(())
    }
}
