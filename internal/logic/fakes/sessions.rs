//! Sessions over an in-memory log, with the real actor and kernel.

use super::{FakeClock, PlainSecrets, away};
use crate::instruction::{SessionDeps, SessionObserver, Sessions, StreamSettings};
use async_trait::async_trait;
use bytes::Bytes;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::{
    Append, AppendError, Decoded, Epoch, FrameCodec, Loaded, LogRecord, Retained, Seq, ServerFrame,
    SessionLog, SnapshotRecord, WireFormat,
};
use faceshare_biz::{Error, Result};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// Sessions without connections.
pub(crate) fn sessions(
    log: Arc<MemoryLog>,
    clock: Arc<FakeClock>,
    secrets: Arc<PlainSecrets>,
    observer: Arc<dyn SessionObserver>,
) -> Sessions {
    Sessions::new(SessionDeps {
        log,
        codec: Arc::new(NoCodec),
        clock,
        secrets,
        observer,
        points: Arc::default(),
        settings: StreamSettings::default(),
    })
}

/// The logs in a map; `away` makes them unavailable, `dies_after_append` after the next append.
#[derive(Debug, Default)]
pub(crate) struct MemoryLog {
    logs: Mutex<HashMap<SessionId, MemorySession>>,
    pub(crate) away: AtomicBool,
    pub(crate) dies_after_append: AtomicBool,
}

#[derive(Debug, Default)]
struct MemorySession {
    records: Vec<LogRecord>,
    snapshot: Option<SnapshotRecord>,
    /// The last entry that was trimmed.
    forgotten: Option<LogRecord>,
}

impl MemorySession {
    fn head(&self) -> u64 {
        self.records
            .last()
            .or(self.forgotten.as_ref())
            .map_or(0, |r| r.index)
    }

    /// Never past the kept snapshot.
    fn trim(&mut self, to: u64) {
        let to = self.snapshot.as_ref().map_or(0, |s| s.index).min(to);
        let kept = self
            .records
            .iter()
            .position(|r| r.index > to)
            .unwrap_or(self.records.len());
        self.forgotten = self.records.drain(..kept).last().or(self.forgotten.take());
    }

    fn reaches_back_to(&self, epoch: &Epoch, after: Seq) -> bool {
        self.forgotten
            .as_ref()
            .is_none_or(|r| r.epoch != *epoch || r.last_seq <= after)
    }
}

impl MemoryLog {
    fn open(&self) -> MutexGuard<'_, HashMap<SessionId, MemorySession>> {
        self.logs.lock().expect("not poisoned")
    }

    fn check_available(&self) -> Result<()> {
        if self.away.load(Ordering::SeqCst) {
            Err(away())
        } else {
            Ok(())
        }
    }

    /// The number of entries of a session.
    pub(crate) fn entries(&self, session: SessionId) -> usize {
        self.open().get(&session).map_or(0, |log| log.records.len())
    }
}

#[async_trait]
impl SessionLog for MemoryLog {
    async fn append(&self, batch: Append) -> Result<(), AppendError> {
        self.check_available()
            .map_err(|error| AppendError::Unavailable(error.into()))?;
        let mut logs = self.open();
        let log = logs.entry(batch.session).or_default();
        if log.head() != batch.expected_index {
            return Err(AppendError::Conflict);
        }
        log.records.extend(batch.records);
        log.snapshot = batch.snapshot.or(log.snapshot.take());
        log.trim(batch.trim_to.unwrap_or(0));
        if self.dies_after_append.swap(false, Ordering::SeqCst) {
            self.away.store(true, Ordering::SeqCst);
        }
        Ok(())
    }

    async fn load(&self, session: SessionId) -> Result<Option<Loaded>> {
        self.check_available()?;
        let logs = self.open();
        let Some(log) = logs.get(&session) else {
            return Ok(None);
        };
        let epoch = log.records.last().map(|r| &r.epoch);
        let retained = log
            .records
            .iter()
            .filter(|r| Some(&r.epoch) == epoch)
            .map(|r| Retained {
                index: r.index,
                last_seq: r.last_seq,
                at: r.at,
                size: u32::try_from(r.payload.len()).expect("small"),
            });
        let known = log.snapshot.as_ref().map_or(0, |s| s.index);
        Ok(Some(Loaded {
            snapshot: log.snapshot.clone(),
            records: log
                .records
                .iter()
                .filter(|r| r.index > known)
                .cloned()
                .collect(),
            retained: retained.collect(),
            suspect: false,
        }))
    }

    async fn read(
        &self,
        session: SessionId,
        epoch: &Epoch,
        after: Seq,
        limit: u32,
    ) -> Result<Vec<LogRecord>> {
        let logs = self.open();
        let Some(log) = logs.get(&session) else {
            return Ok(Vec::new());
        };
        if !log.reaches_back_to(epoch, after) {
            return Err(Error::not_found());
        }
        Ok(log
            .records
            .iter()
            .filter(|r| r.epoch == *epoch && r.last_seq > after)
            .take(limit as usize)
            .cloned()
            .collect())
    }

    async fn sessions(&self) -> Result<Vec<SessionId>> {
        Ok(self.open().keys().copied().collect())
    }

    async fn delete(&self, session: SessionId) -> Result<()> {
        self.open().remove(&session);
        Ok(())
    }
}

/// A codec for sessions without connections: every frame is empty.
#[derive(Debug)]
pub(crate) struct NoCodec;

impl FrameCodec for NoCodec {
    fn encode(&self, _format: WireFormat, _frame: &ServerFrame) -> Bytes {
        Bytes::new()
    }

    fn decode(&self, _format: WireFormat, _message: &[u8]) -> Decoded {
        Decoded::Malformed
    }
}
