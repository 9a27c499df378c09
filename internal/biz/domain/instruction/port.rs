//! The ports of the session log and of the wire formats.

use super::{Append, AppendError, Decoded, Epoch, Loaded, LogRecord, Seq, ServerFrame, WireFormat};
use crate::Result;
use crate::domain::SessionId;
use async_trait::async_trait;
use bytes::Bytes;

/// The ordered logs of all sessions.
///
/// # Obligations
/// - One total order for each session: [`SessionLog::append`] is compare-and-set on the last index,
///   and all or nothing.
/// - Entries that `append` has acknowledged with `Ok` survive a kill of the process.
/// - [`SessionLog::read`] returns entries without a gap.
#[async_trait]
pub trait SessionLog: Send + Sync + 'static {
    /// Appends entries at the end of the session's log.
    async fn append(&self, batch: Append) -> Result<(), AppendError>;
    /// Everything that is needed to load a session; `None`: it has no log.
    async fn load(&self, session: SessionId) -> Result<Option<Loaded>>;
    /// The entries of this epoch that hold frames after `after`, oldest first, at most `limit`.
    /// `NOT_FOUND` when some of them are deleted already.
    async fn read(
        &self,
        session: SessionId,
        epoch: &Epoch,
        after: Seq,
        limit: u32,
    ) -> Result<Vec<LogRecord>>;
    /// All sessions that have a log.
    async fn sessions(&self) -> Result<Vec<SessionId>>;
    /// Deletes a session's log.
    async fn delete(&self, session: SessionId) -> Result<()>;
}

/// Encodes and decodes frames in the wire formats.
pub trait FrameCodec: Send + Sync + 'static {
    /// Encodes a frame. The bytes are shared by all receivers of the format, so a frame is encoded
    /// once for each format.
    fn encode(&self, format: WireFormat, frame: &ServerFrame) -> Bytes;
    /// Decodes a message of a client.
    fn decode(&self, format: WireFormat, message: &[u8]) -> Decoded;
}
