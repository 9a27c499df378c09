//! What is queued for one receiver, in the order in which it is written: the rest of a partly
//! written frame, ordered frames and answers, positions.

use bytes::Bytes;
use faceshare_biz::domain::MemberId;
use faceshare_biz::domain::instruction::ActionKey;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

/// Frames in one vectored write, at most.
pub(super) const WRITE_FRAMES_MAX: usize = 64;
/// A queue that is empty and has more capacity than this frees its memory.
const KEPT_CAPACITY: usize = 16;

/// A position of one sender, encoded in one wire format. All receivers of that format share it.
#[derive(Debug)]
pub struct QueuedPosition {
    /// The member that sent it.
    pub from: MemberId,
    /// The sender's key for it: a newer position replaces a queued one of the same key.
    pub key: ActionKey,
    /// The presenting term in which it was sent; 0: none.
    pub term: u32,
    /// The encoded frame.
    pub frame: Bytes,
}

/// The queue of one receiver.
///
/// The fields that a position needs come first, and up to two positions are stored inline: the
/// memory of a receiver is not in the processor's cache when a position arrives for it. More than
/// two are on the heap.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct FrameQueue {
    /// One for each (sender, key), in the order in which they were queued.
    positions: SmallVec<[Arc<QueuedPosition>; 2]>,
    ordered: VecDeque<Bytes>,
    /// The rest of a frame whose beginning the peer already has. It is written first and never
    /// dropped.
    partial: Bytes,
    /// Bytes in `ordered`.
    bytes: usize,
}

impl FrameQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.partial.is_empty() && self.ordered.is_empty() && self.positions.is_empty()
    }

    pub(super) fn exceeds(&self, frames: usize, bytes: usize) -> bool {
        self.ordered.len() > frames || self.bytes > bytes
    }

    pub(super) fn push(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.ordered.push_back(frame);
    }

    /// Queues a position; it replaces a queued one of the same sender and key.
    pub(super) fn push_position(&mut self, position: Arc<QueuedPosition>) {
        match self
            .positions
            .iter_mut()
            .find(|p| p.from == position.from && p.key == position.key)
        {
            Some(older) => *older = position,
            None => self.positions.push(position),
        }
    }

    pub(super) fn retain_positions(&mut self, keep: impl Fn(&QueuedPosition) -> bool) {
        self.positions.retain(|p| keep(p));
    }

    /// Drops everything but the rest of a partly written frame.
    pub(super) fn drop_unstarted(&mut self) {
        *self = Self {
            partial: std::mem::take(&mut self.partial),
            ..Self::default()
        };
    }

    /// Takes the rest of a partly written frame.
    pub(super) fn take_partial(&mut self) -> Option<Bytes> {
        Some(std::mem::take(&mut self.partial)).filter(|partial| !partial.is_empty())
    }

    /// Moves everything to the end of `batch`. Ordered frames go before positions: a client learns
    /// of a follow before it gets the position that the follow brings.
    pub(super) fn drain_into(&mut self, batch: &mut Vec<Bytes>) {
        batch.extend(self.take_partial());
        batch.extend(self.ordered.drain(..));
        batch.extend(self.positions.drain(..).map(|p| p.frame.clone()));
        self.bytes = 0;
        self.free_memory();
    }

    /// The queued frame, if there is exactly one.
    pub(super) fn only_frame(&self) -> Option<&[u8]> {
        match (
            self.partial.is_empty(),
            self.ordered.len(),
            &self.positions[..],
        ) {
            (true, 0, [position]) => Some(&position.frame),
            (true, 1, []) => self.ordered.front().map(|frame| &frame[..]),
            (false, 0, []) => Some(&self.partial),
            _ => None,
        }
    }

    /// Fills `slices` with the next frames in the order of [`drain_into`](Self::drain_into);
    /// returns the number of slices filled and the bytes in them.
    pub(super) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> (usize, usize) {
        let partial = Some(&self.partial).filter(|partial| !partial.is_empty());
        let frames = partial
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

    /// Removes the first `bytes` bytes, which are written.
    pub(super) fn advance(&mut self, mut bytes: usize) {
        if !self.partial.is_empty() {
            let done = self.partial.split_to(bytes.min(self.partial.len()));
            bytes -= done.len();
        }
        while bytes > 0
            && let Some(mut frame) = self.ordered.pop_front()
        {
            self.bytes -= frame.len();
            let done = frame.split_to(bytes.min(frame.len()));
            bytes -= done.len();
            self.partial = frame;
        }
        let mut whole = 0;
        while bytes > 0
            && let Some(position) = self.positions.get(whole)
        {
            let done = bytes.min(position.frame.len());
            bytes -= done;
            self.partial = position.frame.slice(done..);
            whole += 1;
        }
        self.positions.drain(..whole);
        self.free_memory();
    }

    fn free_memory(&mut self) {
        if self.ordered.is_empty() && self.ordered.capacity() > KEPT_CAPACITY {
            self.ordered = VecDeque::new();
        }
        if self.positions.is_empty() && self.positions.capacity() > KEPT_CAPACITY {
            self.positions = SmallVec::new();
        }
    }
}
