//! The ordered log of a session: its source of truth.

use crate::domain::{SessionId, Timestamp};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The position of a frame in the order of an epoch, from 1; 0: not ordered.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Seq(u32);

impl Seq {
    /// Before the first frame; also "not ordered".
    pub const NONE: Self = Self(0);

    /// From a number.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The position `count` frames later.
    #[must_use]
    pub const fn plus(self, count: u32) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl std::fmt::Display for Seq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Names one order of seqs of a session; 1 to 32 visible ASCII characters, opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(Box<str>);

impl Epoch {
    /// From text; `None`: not 1 to 32 visible ASCII characters.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        const MAX: usize = 32;
        ((1..=MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()))
            .then(|| Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The position of a client: it has received all frames of this epoch up to `seq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The epoch.
    pub epoch: Epoch,
    /// The last frame that it received.
    pub seq: Seq,
}

/// One entry, as a log keeps it. The payload is opaque to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// The position among the entries of the session, from 1.
    pub index: u64,
    /// The epoch it belongs to.
    pub epoch: Epoch,
    /// The last ordered seq once it is applied.
    pub last_seq: Seq,
    /// When it was accepted.
    pub at: Timestamp,
    /// The encoded entry.
    pub payload: Bytes,
}

/// The whole state after some entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRecord {
    /// The last entry that it holds.
    pub index: u64,
    /// That entry's epoch.
    pub epoch: Epoch,
    /// The encoded state.
    pub payload: Bytes,
}

/// A batch to append to a log, all or nothing.
#[derive(Debug, Clone)]
pub struct Append {
    /// The session.
    pub session: SessionId,
    /// The append succeeds only if the last entry of the log has this index; 0: the log is empty.
    pub expected_index: u64,
    /// The entries: consecutive, the first at `expected_index` + 1.
    pub records: Vec<LogRecord>,
    /// The state after some entry of the log or of `records`; replaces the stored one.
    pub snapshot: Option<SnapshotRecord>,
    /// Entries up to this index may be deleted, but none after the stored snapshot.
    pub trim_to: Option<u64>,
}

/// Why an append failed.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The log ends at another index than expected: nothing was appended.
    #[error("the log ends elsewhere than expected")]
    Conflict,
    /// The log could not be written. Whether the entries are in it is known only after reading it
    /// again.
    #[error("the log could not be written")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The metadata of one entry that a log still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retained {
    /// The position among the entries of the session, from 1.
    pub index: u64,
    /// The last ordered seq once it is applied.
    pub last_seq: Seq,
    /// When it was accepted.
    pub at: Timestamp,
    /// The size of its payload, in bytes.
    pub size: u32,
}

/// What is read from a log to load a session.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The newest snapshot.
    pub snapshot: Option<SnapshotRecord>,
    /// The entries after it, in order.
    pub records: Vec<LogRecord>,
    /// The metadata of all entries of the last epoch that the log still holds, in order.
    pub retained: Vec<Retained>,
    /// The log may have lost acknowledged entries (a power cut without full synchronisation), so
    /// the session must go on in a new epoch.
    pub suspect: bool,
}
