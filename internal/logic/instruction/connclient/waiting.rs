//! What waits for one receiver, and in which order it is written: the rest of a frame that has begun, ordered frames and answers, positions.

use bytes::Bytes;
use faceshare_biz::domain::MemberId;
use faceshare_biz::domain::instruction::ActionKey;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

/// Frames written in one go at most.
pub(super) const MANY: usize = 64;
/// A queue that has once grown beyond this gives its memory back when it is empty.
const KEPT: usize = 16;

/// Somebody's position in one wire format, shared by all who are shown it.
#[derive(Debug)]
pub struct Shown {
    /// Whose.
    pub from: MemberId,
    /// Which of theirs.
    pub key: ActionKey,
    /// The presenting term it speaks in; 0: none.
    pub term: u32,
    /// As it is written.
    pub frame: Bytes,
}

/// What a position needs comes first, and one or two are kept within: a receiver's memory is cold when its turn comes. More than two are kept
/// beside it.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Waiting {
    /// In the order in which their keys were first written since the last look.
    positions: SmallVec<[Arc<Shown>; 2]>,
    ordered: VecDeque<Bytes>,
    /// What is left of a frame of which the peer has the beginning: it goes first, whatever else is dropped.
    rest: Bytes,
    bytes: usize,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty() && self.ordered.is_empty() && self.positions.is_empty()
    }

    pub(super) fn exceeds(&self, frames: usize, bytes: usize) -> bool {
        self.ordered.len() > frames || self.bytes > bytes
    }

    pub(super) fn push(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.ordered.push_back(frame);
    }

    /// A newer position takes the place of the older one of the same sender and key.
    pub(super) fn show(&mut self, position: Arc<Shown>) {
        match self
            .positions
            .iter_mut()
            .find(|p| p.from == position.from && p.key == position.key)
        {
            Some(older) => *older = position,
            None => self.positions.push(position),
        }
    }

    pub(super) fn retain_positions(&mut self, keep: impl Fn(&Shown) -> bool) {
        self.positions.retain(|p| keep(p));
    }

    /// Drops everything but the rest of a frame that has begun.
    pub(super) fn drop_what_has_not_begun(&mut self) {
        *self = Self {
            rest: std::mem::take(&mut self.rest),
            ..Self::default()
        };
    }

    /// The rest of a frame that has begun.
    pub(super) fn take_rest(&mut self) -> Option<Bytes> {
        Some(std::mem::take(&mut self.rest)).filter(|rest| !rest.is_empty())
    }

    /// Moves everything to the end of `batch`, ordered frames before positions: an edge is known before the position that it brings.
    pub(super) fn take(&mut self, batch: &mut Vec<Bytes>) {
        batch.extend(self.take_rest());
        batch.extend(self.ordered.drain(..));
        batch.extend(self.positions.drain(..).map(|p| p.frame.clone()));
        self.bytes = 0;
        self.give_memory_back();
    }

    /// The only frame that waits.
    pub(super) fn sole(&self) -> Option<&[u8]> {
        match (
            self.rest.is_empty(),
            self.ordered.len(),
            &self.positions[..],
        ) {
            (true, 0, [position]) => Some(&position.frame),
            (true, 1, []) => self.ordered.front().map(|frame| &frame[..]),
            (false, 0, []) => Some(&self.rest),
            _ => None,
        }
    }

    /// What to write next, in the order of [`take`](Self::take), as far as there are slices; how many they are, and how many bytes.
    pub(super) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> (usize, usize) {
        let rest = Some(&self.rest).filter(|rest| !rest.is_empty());
        let frames = rest
            .into_iter()
            .chain(&self.ordered)
            .chain(self.positions.iter().map(|p| &p.frame));
        let (mut count, mut bytes) = (0, 0);
        for (slice, frame) in slices.iter_mut().zip(frames) {
            *slice = IoSlice::new(frame);
            (count, bytes) = (count + 1, bytes + frame.len());
        }
        (count, bytes)
    }

    /// So many bytes of it are written.
    pub(super) fn written(&mut self, mut bytes: usize) {
        if !self.rest.is_empty() {
            let done = self.rest.split_to(bytes.min(self.rest.len()));
            bytes -= done.len();
        }
        while bytes > 0
            && let Some(mut frame) = self.ordered.pop_front()
        {
            self.bytes -= frame.len();
            let done = frame.split_to(bytes.min(frame.len()));
            bytes -= done.len();
            self.rest = frame;
        }
        let mut whole = 0;
        while bytes > 0
            && let Some(position) = self.positions.get(whole)
        {
            let done = bytes.min(position.frame.len());
            bytes -= done;
            self.rest = position.frame.slice(done..);
            whole += 1;
        }
        self.positions.drain(..whole);
        self.give_memory_back();
    }

    fn give_memory_back(&mut self) {
        if self.ordered.is_empty() && self.ordered.capacity() > KEPT {
            self.ordered = VecDeque::new();
        }
        if self.positions.is_empty() && self.positions.capacity() > KEPT {
            self.positions = SmallVec::new();
        }
    }
}
