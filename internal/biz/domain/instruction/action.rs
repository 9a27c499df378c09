//! Positions: what a presenter shows, what a follower is shown. Ephemeral, absolute, newest wins.

use crate::domain::{FileId, MemberId};
use bytes::Bytes;
use compact_str::CompactString;

/// Names one value among several of the same sender; 0 to 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActionKey(CompactString);

impl ActionKey {
    /// A key of at most `max` bytes; `None`: longer.
    #[must_use]
    pub fn new(key: &str, max: usize) -> Option<Self> {
        (key.len() <= max).then(|| Self(key.into()))
    }

    /// The key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which part of a document is on the screen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// From 1; 0: one continuous document.
    pub page: u32,
    /// Left edge, 0..1.
    pub x: f64,
    /// Top edge, 0..1.
    pub y: f64,
    /// 0: 1.
    pub zoom: f64,
    /// Degrees, clockwise: 0, 90, 180, 270.
    pub rotation: u32,
}

/// What is synchronised.
#[derive(Debug, Clone, PartialEq)]
pub enum ActionValue {
    /// Part of a document.
    View(View),
    /// A place in it.
    Pointer {
        /// 0..1.
        x: f64,
        /// 0..1.
        y: f64,
    },
    /// The application's own.
    Custom(Bytes),
}

/// One value of one sender.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// What is shown.
    pub file: Option<FileId>,
    /// Which value.
    pub key: ActionKey,
    /// The presenting term it speaks in; 0: not as presenter.
    pub term: u32,
    /// The value.
    pub value: ActionValue,
    /// Bytes that count towards the limit: those of a custom value, of another value the whole instruction on the wire.
    pub size: usize,
}

/// An action with its sender.
#[derive(Debug, Clone, PartialEq)]
pub struct SentAction {
    /// Whose position it is.
    pub from: MemberId,
    /// The value.
    pub action: Action,
}
