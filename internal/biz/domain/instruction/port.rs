//! The log and the wire, as the session sees them.

use super::{Append, AppendError, Decoded, Epoch, Loaded, LogRecord, Seq, ServerFrame, WireFormat};
use crate::Result;
use crate::domain::SessionId;
use async_trait::async_trait;
use bytes::Bytes;

/// The ordered logs of all sessions.
///
/// # Obligations
/// - One total order for each session: [`SessionLog::append`] is compare-and-set on the last index, and all or nothing.
/// - What `append` has answered `Ok` for is there after the process is killed.
/// - [`SessionLog::read`] returns entries without a gap.
#[async_trait]
pub trait SessionLog: Send + Sync + 'static {
    /// Adds entries at the end.
    async fn append(&self, batch: Append) -> Result<(), AppendError>;
    /// Everything needed to bring a session back; `None`: no such log.
    async fn load(&self, session: SessionId) -> Result<Option<Loaded>>;
    /// The entries of this epoch that hold frames after `after`, oldest first, at most `limit` of them.
    async fn read(
        &self,
        session: SessionId,
        epoch: &Epoch,
        after: Seq,
        limit: u32,
    ) -> Result<Vec<LogRecord>>;
    /// All sessions that have a log.
    async fn sessions(&self) -> Result<Vec<SessionId>>;
    /// Forgets a session's log.
    async fn delete(&self, session: SessionId) -> Result<()>;
}

/// Writes and reads frames in the wire formats.
pub trait FrameCodec: Send + Sync + 'static {
    /// The frame in this format. Shared by all receivers of that format: encode once.
    fn encode(&self, format: WireFormat, frame: &ServerFrame) -> Bytes;
    /// Reads what a client sent.
    fn decode(&self, format: WireFormat, message: &[u8]) -> Decoded;
}
