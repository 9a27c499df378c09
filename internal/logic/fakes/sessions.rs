//! Sessions over a log in memory, with the real actor and kernel.

use super::{FakeClock, PlainSecrets};
use crate::instruction::{SessionDeps, SessionObserver, Sessions, StreamSettings};
use async_trait::async_trait;
use bytes::Bytes;
use faceshare_biz::Result;
use faceshare_biz::domain::SessionId;
use faceshare_biz::domain::instruction::{
    Append, AppendError, Decoded, Epoch, FrameCodec, Loaded, LogRecord, Retained, Seq, ServerFrame, SessionLog, SnapshotRecord, WireFormat,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// Sessions that nobody is connected to.
pub(crate) fn sessions(clock: Arc<FakeClock>, secrets: Arc<PlainSecrets>, observer: Arc<dyn SessionObserver>) -> Sessions {
    Sessions::new(SessionDeps {
        log: Arc::new(MemoryLog::default()),
        codec: Arc::new(NoCodec),
        clock,
        secrets,
        observer,
        points: Arc::default(),
        settings: StreamSettings::default(),
    })
}

/// Logs in a map.
#[derive(Debug, Default)]
pub(crate) struct MemoryLog(Mutex<HashMap<SessionId, MemorySession>>);

#[derive(Debug, Default)]
struct MemorySession {
    records: Vec<LogRecord>,
    snapshot: Option<SnapshotRecord>,
}

impl MemoryLog {
    fn open(&self) -> MutexGuard<'_, HashMap<SessionId, MemorySession>> {
        self.0.lock().expect("not poisoned")
    }
}

#[async_trait]
impl SessionLog for MemoryLog {
    async fn append(&self, batch: Append) -> Result<(), AppendError> {
        let mut logs = self.open();
        let log = logs.entry(batch.session).or_default();
        if log.records.last().map_or(0, |r| r.index) != batch.expected_index {
            return Err(AppendError::Conflict);
        }
        log.records.extend(batch.records);
        log.snapshot = batch.snapshot.or(log.snapshot.take());
        Ok(())
    }

    async fn load(&self, session: SessionId) -> Result<Option<Loaded>> {
        let logs = self.open();
        let Some(log) = logs.get(&session) else { return Ok(None) };
        let epoch = log.records.last().map(|r| &r.epoch);
        let retained = log.records.iter().filter(|r| Some(&r.epoch) == epoch).map(|r| Retained {
            index: r.index,
            last_seq: r.last_seq,
            at: r.at,
            size: u32::try_from(r.payload.len()).expect("small"),
        });
        let known = log.snapshot.as_ref().map_or(0, |s| s.index);
        Ok(Some(Loaded {
            snapshot: log.snapshot.clone(),
            records: log.records.iter().filter(|r| r.index > known).cloned().collect(),
            retained: retained.collect(),
            suspect: false,
        }))
    }

    async fn read(&self, session: SessionId, epoch: &Epoch, after: Seq, limit: u32) -> Result<Vec<LogRecord>> {
        let logs = self.open();
        let records = logs.get(&session).map_or(&[][..], |log| &log.records);
        Ok(records.iter().filter(|r| r.epoch == *epoch && r.last_seq > after).take(limit as usize).cloned().collect())
    }

    async fn sessions(&self) -> Result<Vec<SessionId>> {
        Ok(self.open().keys().copied().collect())
    }

    async fn delete(&self, session: SessionId) -> Result<()> {
        self.open().remove(&session);
        Ok(())
    }
}

/// Frames for nobody.
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
