//! A log in memory whose appends can be held back and fail, and whose reads can fail.

use crate::fakes::{MemoryLog, away};
use async_trait::async_trait;
use faceshare_biz::Result;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::{
    Append, AppendError, Epoch, Loaded, LogRecord, Seq, SessionLog,
};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// More appends than any test makes.
const PLENTY: usize = 1 << 20;

/// How an append goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Fails before the write.
    Before,
    /// Fails after the write, so that the result is unknown to the caller.
    After,
    /// Fails because another writer has appended.
    Conflict,
}

#[derive(Debug)]
pub(super) struct ScriptedLog {
    log: MemoryLog,
    gate: Semaphore,
    load_gate: Semaphore,
    faults: Mutex<VecDeque<Fault>>,
    batches: Mutex<Vec<usize>>,
    unreadable: AtomicBool,
    unloadable: AtomicBool,
    left_out: AtomicU32,
    loads: AtomicUsize,
}

impl ScriptedLog {
    pub(super) fn new() -> Self {
        Self {
            log: MemoryLog::default(),
            gate: Semaphore::new(PLENTY),
            load_gate: Semaphore::new(PLENTY),
            faults: Mutex::default(),
            batches: Mutex::default(),
            unreadable: AtomicBool::new(false),
            unloadable: AtomicBool::new(false),
            left_out: AtomicU32::new(0),
            loads: AtomicUsize::new(0),
        }
    }

    /// From now on appends wait.
    pub(super) fn hold(&self) {
        self.gate.forget_permits(usize::MAX >> 4);
    }

    /// Lets so many appends through.
    pub(super) fn release(&self, count: usize) {
        self.gate.add_permits(count);
    }

    /// Lets all appends through.
    pub(super) fn open(&self) {
        self.release(PLENTY);
    }

    /// From now on loading waits.
    pub(super) fn hold_loads(&self) {
        self.load_gate.forget_permits(PLENTY);
    }

    /// Lets sessions be loaded again.
    pub(super) fn open_loads(&self) {
        self.load_gate.add_permits(PLENTY);
    }

    /// The next append that has no fate yet goes wrong.
    pub(super) fn fail(&self, fault: Fault) {
        self.faults.lock().expect("not poisoned").push_back(fault);
    }

    /// Whether reading for a resume fails.
    pub(super) fn set_unreadable(&self, unreadable: bool) {
        self.unreadable.store(unreadable, Ordering::SeqCst);
    }

    /// Whether loading a session fails.
    pub(super) fn set_unloadable(&self, unloadable: bool) {
        self.unloadable.store(unloadable, Ordering::SeqCst);
    }

    /// Reading leaves the entry out that ends with this seq, which no log may.
    pub(super) fn leave_out(&self, seq: u32) {
        self.left_out.store(seq, Ordering::SeqCst);
    }

    /// How many entries each append brought, since this was last asked.
    pub(super) fn batches(&self) -> Vec<usize> {
        std::mem::take(&mut self.batches.lock().expect("not poisoned"))
    }

    /// How often a session was loaded.
    pub(super) fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    fn next_fault(&self) -> Option<Fault> {
        self.faults.lock().expect("not poisoned").pop_front()
    }
}

#[async_trait]
impl SessionLog for ScriptedLog {
    async fn append(&self, batch: Append) -> Result<(), AppendError> {
        self.batches
            .lock()
            .expect("not poisoned")
            .push(batch.records.len());
        self.gate.acquire().await.expect("never closed").forget();
        match self.next_fault() {
            None => self.log.append(batch).await,
            Some(Fault::Before) => Err(AppendError::Unavailable(Box::new(away()))),
            Some(Fault::Conflict) => Err(AppendError::Conflict),
            Some(Fault::After) => {
                self.log.append(batch).await?;
                Err(AppendError::Unavailable(Box::new(away())))
            }
        }
    }

    async fn load(&self, session: SessionId) -> Result<Option<Loaded>> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        drop(self.load_gate.acquire().await.expect("never closed"));
        if self.unloadable.load(Ordering::SeqCst) {
            Err(away())
        } else {
            self.log.load(session).await
        }
    }

    async fn read(
        &self,
        session: SessionId,
        epoch: &Epoch,
        after: Seq,
        limit: u32,
    ) -> Result<Vec<LogRecord>> {
        if self.unreadable.load(Ordering::SeqCst) {
            return Err(away());
        }
        let left_out = Seq::new(self.left_out.load(Ordering::SeqCst));
        let mut page = self.log.read(session, epoch, after, limit).await?;
        page.retain(|record| record.last_seq != left_out);
        Ok(page)
    }

    async fn sessions(&self) -> Result<Vec<SessionId>> {
        self.log.sessions().await
    }

    async fn delete(&self, session: SessionId) -> Result<()> {
        self.log.delete(session).await
    }
}
