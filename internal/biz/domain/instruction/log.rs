//! The ordered log of a session: the one thing that says what happened.

use crate::domain::{SessionId, Timestamp};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A place in an epoch's order of ordered frames, from 1; 0: none.
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

    /// The place `count` frames further on.
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

/// What a client has seen: up to and with this frame of this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Which order.
    pub epoch: Epoch,
    /// The last frame seen.
    pub seq: Seq,
}

/// One entry, as a log keeps it. The payload is opaque to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Its place among the entries.
    pub index: u64,
    /// The epoch it belongs to.
    pub epoch: Epoch,
    /// The last ordered seq once it is applied.
    pub last_seq: Seq,
    /// When it was accepted.
    pub at: Timestamp,
    /// The entry itself.
    pub payload: Bytes,
}

/// The whole state after some entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRecord {
    /// The last entry that it holds.
    pub index: u64,
    /// That entry's epoch.
    pub epoch: Epoch,
    /// The state itself.
    pub payload: Bytes,
}

/// What to add to a log, all or nothing.
#[derive(Debug, Clone)]
pub struct Append {
    /// Whose log.
    pub session: SessionId,
    /// Holds only while the log ends here.
    pub expected_index: u64,
    /// The entries: consecutive, the first at `expected_index` + 1.
    pub records: Vec<LogRecord>,
    /// The state after some entry of the log or of `records`; takes the place of the one kept before.
    pub snapshot: Option<SnapshotRecord>,
    /// Entries up to this index may be forgotten; never past the kept snapshot.
    pub trim_to: Option<u64>,
}

/// Why nothing was added, or why that is not known.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The log ends elsewhere than expected: nothing was added.
    #[error("the log ends elsewhere than expected")]
    Conflict,
    /// The log could not be written. Whether the entries are in it is known only after reading it again.
    #[error("the log could not be written")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a log still holds of one entry, without the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retained {
    /// Its place among the entries.
    pub index: u64,
    /// The last ordered seq once it is applied.
    pub last_seq: Seq,
    /// When it was accepted.
    pub at: Timestamp,
    /// Bytes of its payload.
    pub size: u32,
}

/// A log, read to bring a session back.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The newest snapshot.
    pub snapshot: Option<SnapshotRecord>,
    /// The entries after it, in order.
    pub records: Vec<LogRecord>,
    /// All entries of the last epoch that are still held, in order.
    pub retained: Vec<Retained>,
    /// The log may have lost acknowledged entries (a power cut without full synchronisation): go on in a new epoch.
    pub suspect: bool,
}
