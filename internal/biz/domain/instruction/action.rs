//! Positions of presenters, which their followers receive. Ephemeral and absolute; the newest value
//! wins.

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

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which part of a document is on the screen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// The page, from 1; 0: one continuous document.
    pub page: u32,
    /// Left edge, 0..1.
    pub x: f64,
    /// Top edge, 0..1.
    pub y: f64,
    /// The zoom factor; 0 means 1.
    pub zoom: f64,
    /// Degrees, clockwise: 0, 90, 180, 270.
    pub rotation: u32,
}

/// The value of a position.
#[derive(Debug, Clone, PartialEq)]
pub enum ActionValue {
    /// The visible part of a document.
    View(View),
    /// A pointer within the document.
    Pointer {
        /// The coordinate as a fraction of the page, 0..1.
        x: f64,
        /// The coordinate as a fraction of the page, 0..1.
        y: f64,
    },
    /// Bytes of the application, opaque to the server.
    Custom(Bytes),
}

/// One value of one sender.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// The file that is shown; `None`: no file.
    pub file: Option<FileId>,
    /// The name of the value among those of the sender.
    pub key: ActionKey,
    /// The presenting term in which it is sent; 0: not as presenter.
    pub term: u32,
    /// The value itself.
    pub value: ActionValue,
    /// Bytes that count towards the limit: those of a custom value, of another value the whole
    /// instruction on the wire.
    pub size: usize,
}

/// An action with its sender.
#[derive(Debug, Clone, PartialEq)]
pub struct SentAction {
    /// The sender.
    pub from: MemberId,
    /// The value itself.
    pub action: Action,
}
