//! The outbound queue of one receiver, and the right to write to its socket.
//!
//! Ordered frames and answers are queued, bounded by number and bytes: a receiver whose queue fills
//! up is closed as too slow and may resume. Positions are not queued one after the other: a newer
//! one replaces a queued one of the same (sender, key), so a slow receiver gets the newest and
//! never a backlog.
//!
//! One lock decides who writes. While the connection's task is the write owner (welcome, replay, a
//! full socket, the close), others only add to the queue: the task checks the queue again before it
//! gives the ownership up. While the holder of the lock is the write owner, the queue is empty, and
//! a caller that adds a frame writes it at once, under the lock, as far as the socket takes it. If
//! the socket does not take all of it, the task becomes the write owner again and is woken.

use super::direct::Direct;
use super::meter::WindowCounter;
use super::queue::{FrameQueue, QueuedPosition, WRITE_FRAMES_MAX};
use super::socket::{DirectWrite, PeerGone};
use crate::instruction::prefetch::prefetch_front;
use bytes::Bytes;
use faceshare_biz::domain::MemberId;
use faceshare_biz::domain::instruction::CloseReason;
use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Bytes of [`OutboundState`] that a delivery reads: the lock, the fields before `direct`, and
/// `direct`. A wrong number costs only speed.
const DELIVERY_BYTES: usize = 40;

/// The outbound side of one connection. Its session adds frames; the write owner writes them.
///
/// The layout is explicit, with the fields of every delivery first: they are then next to the
/// reference count, which every delivery reads too.
#[derive(Debug)]
#[repr(C)]
pub struct Outbound {
    state: Mutex<OutboundState>,
    /// Tells the connection's task to check the queue again.
    wake: Notify,
    /// Wakes the waiter of [`Outbound::closed`].
    closed: Notify,
    max_frames: usize,
    max_bytes: usize,
    refusals: Mutex<WindowCounter>,
}

/// Who may write to the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteOwner {
    /// The connection's task. It checks the queue before it gives the ownership up.
    Task,
    /// The holder of the lock. No frame is partly written.
    LockHolder,
    /// Nothing is written any more.
    Closed,
}

#[derive(Debug)]
#[repr(C)]
struct OutboundState {
    owner: WriteOwner,
    /// The welcome and the missed frames are written: the queue comes next.
    opened: bool,
    /// A caller will call [`Outbound::flush`].
    flush_pending: bool,
    closing: Option<CloseReason>,
    direct: Option<Direct>,
    queue: FrameQueue,
}

/// The next step of the connection's task.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send the frames in the batch.
    Send,
    /// Wait until the socket takes more.
    Blocked,
    /// Send the close frame: everything before it is written.
    Close(CloseReason),
    /// Wait until it is [woken](Outbound::ready).
    Idle,
}

impl OutboundState {
    const fn is_closing(&self) -> bool {
        self.closing.is_some() || matches!(self.owner, WriteOwner::Closed)
    }

    /// Whether the caller, which has just added a frame, has to flush. One caller at a time has to.
    const fn claim_flush(&mut self) -> bool {
        let claimed = matches!(self.owner, WriteOwner::LockHolder) && !self.flush_pending;
        self.flush_pending |= claimed;
        claimed
    }

    /// Writes directly what the socket takes. `true`: the queue is empty.
    fn write(&mut self) -> Result<bool, PeerGone> {
        let Some(direct) = &self.direct else {
            return Ok(self.queue.is_empty());
        };
        while !self.queue.is_empty() {
            let (offered, written) = if let Some(frame) = self.queue.only_frame() {
                (frame.len(), direct.write_now(&[IoSlice::new(frame)])?)
            } else {
                let mut slices = [IoSlice::new(&[]); WRITE_FRAMES_MAX];
                let (count, bytes) = self.queue.slices(&mut slices);
                (bytes, direct.write_now(&slices[..count])?)
            };
            self.queue.advance(written);
            if written < offered {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Outbound {
    /// An empty queue with these bounds. The connection's task is the write owner.
    #[must_use]
    pub fn new(max_frames: usize, max_bytes: usize) -> Self {
        let refusals = Mutex::new(WindowCounter::new());
        let state = OutboundState {
            owner: WriteOwner::Task,
            opened: false,
            flush_pending: false,
            closing: None,
            direct: None,
            queue: FrameQueue::default(),
        };
        Self {
            state: Mutex::new(state),
            wake: Notify::new(),
            closed: Notify::new(),
            max_frames,
            max_bytes,
            refusals,
        }
    }

    /// Counts a refusal for asking too much, by the connection or its session. `false`: there were
    /// more than `refusals` of them in a window of `within`.
    pub(crate) fn count_refusal(&self, refusals: u32, within: Duration) -> bool {
        self.refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .count(refusals, within)
    }

    /// The lock may be poisoned: no code that can panic runs between two changes that belong
    /// together.
    fn lock(&self) -> MutexGuard<'_, OutboundState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an ordered frame or an answer. Over the bounds the queue is dropped and the receiver
    /// is closed as too slow.
    pub fn push(&self, frame: Bytes) {
        let mut state = self.lock();
        self.add(&mut state, frame);
        self.write_or_wake(state);
    }

    /// Like [`push`](Self::push), but does not write. If it returns `true`, the caller must call
    /// [`flush`](Self::flush).
    #[must_use]
    pub(crate) fn enqueue(&self, frame: Bytes) -> bool {
        let mut state = self.lock();
        self.add(&mut state, frame);
        state.claim_flush()
    }

    fn add(&self, state: &mut OutboundState, frame: Bytes) {
        if state.is_closing() {
            return;
        }
        state.queue.push(frame);
        let is_over = |state: &OutboundState| state.queue.exceeds(self.max_frames, self.max_bytes);
        // A caller that flushes later may have queued more than the bounds; that does not make the
        // receiver slow.
        if is_over(state) && state.owner == WriteOwner::LockHolder && state.write().is_err() {
            // The peer is gone, not slow; its task finds that out.
            state.queue.drop_unstarted();
            state.owner = WriteOwner::Task;
            self.wake.notify_one();
        }
        if is_over(state) {
            metrics::counter!("stream_slow_receivers_total").increment(1);
            state.queue.drop_unstarted();
            self.start_closing(state, CloseReason::TooSlow);
        }
    }

    /// Queues a position; it replaces a queued one of the same sender and key. If it returns
    /// `true`, the caller must call [`flush`](Self::flush).
    #[must_use]
    pub fn enqueue_position(&self, position: Arc<QueuedPosition>) -> bool {
        let mut state = self.lock();
        if state.is_closing() {
            return false;
        }
        state.queue.push_position(position);
        state.claim_flush()
    }

    /// Prefetches the memory that a delivery reads.
    pub(crate) fn prefetch(&self) {
        prefetch_front(&self.state, DELIVERY_BYTES);
    }

    /// Writes a position at once, as far as the socket takes it, if nothing is queued before it;
    /// queues it otherwise.
    pub(crate) fn deliver(&self, position: &Arc<QueuedPosition>) {
        let mut state = self.lock();
        if state.is_closing() {
            return;
        }
        // Otherwise it is written with the queue, by the caller whose flush is pending or by the
        // task.
        let is_next = state.owner == WriteOwner::LockHolder && !state.flush_pending;
        let written = state
            .direct
            .as_ref()
            .filter(|_| is_next)
            .map_or(Ok(0), |direct| {
                direct.write_now(&[IoSlice::new(&position.frame)])
            });
        if is_next && written == Ok(position.frame.len()) {
            return;
        }
        state.queue.push_position(position.clone());
        if is_next {
            state.queue.advance(written.unwrap_or(0));
            // If the peer is gone, the task finds that out.
            state.owner = WriteOwner::Task;
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Writes the queue, or wakes the task that writes it.
    pub fn flush(&self) {
        self.write_or_wake(self.lock());
    }

    fn write_or_wake(&self, mut state: MutexGuard<'_, OutboundState>) {
        state.flush_pending = false;
        if state.owner == WriteOwner::LockHolder && state.write() != Ok(true) {
            state.owner = WriteOwner::Task;
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Drops the queued positions of a sender that the receiver no longer follows.
    pub fn drop_positions_of(&self, from: MemberId) {
        self.lock().queue.retain_positions(|p| p.from != from);
    }

    /// Drops the queued positions of all terms but this one: they must not come after the
    /// instruction that ended their term.
    pub fn drop_terms_except(&self, term: Option<u32>) {
        self.lock()
            .queue
            .retain_positions(|p| p.term == 0 || Some(p.term) == term);
    }

    /// Closes the connection after the queued frames. Positions are dropped. If it is called twice,
    /// the first reason counts.
    pub fn close(&self, reason: CloseReason) {
        let mut state = self.lock();
        state.queue.retain_positions(|_| false);
        self.start_closing(&mut state, reason);
    }

    /// Makes the task the write owner for good.
    fn start_closing(&self, state: &mut OutboundState, reason: CloseReason) {
        state.closing.get_or_insert(reason);
        if state.owner == WriteOwner::LockHolder {
            state.owner = WriteOwner::Task;
        }
        self.closed.notify_one();
        self.wake.notify_one();
    }

    /// Why it is being closed; `None` while it is not.
    #[must_use]
    pub fn closing(&self) -> Option<CloseReason> {
        self.lock().closing
    }

    /// Completes when it is being closed, with the reason. Supports one waiter.
    pub async fn closed(&self) -> CloseReason {
        loop {
            if let Some(reason) = self.closing() {
                return reason;
            }
            self.closed.notified().await;
        }
    }

    /// Called by the task when the welcome and the missed frames are written: others may write
    /// directly from now on.
    pub(crate) fn open(&self, direct: Option<Arc<dyn DirectWrite>>) {
        let mut state = self.lock();
        (state.opened, state.direct) = (true, direct.map(Direct::from));
    }

    /// Awaited by the task: completes when it is the write owner again and has something to write.
    pub(crate) async fn ready(&self) {
        self.wake.notified().await;
    }

    /// The task's next step. Writes the queue as far as the socket takes it; if there is no direct
    /// way to write, moves the queue into `batch`.
    pub(crate) fn next(&self, batch: &mut Vec<Bytes>) -> Result<Next, PeerGone> {
        let mut state = self.lock();
        (state.owner, state.flush_pending) = (WriteOwner::Task, false);
        if state.direct.is_none() && !state.queue.is_empty() {
            state.queue.drain_into(batch);
            return Ok(Next::Send);
        }
        if !state.write()? {
            return Ok(Next::Blocked);
        }
        if let Some(reason) = state.closing {
            return Ok(Next::Close(reason));
        }
        state.owner = WriteOwner::LockHolder;
        Ok(Next::Idle)
    }

    /// Called by the task when it drops the queue: the rest of a frame whose beginning the peer
    /// already has.
    pub(crate) fn take_partial(&self) -> Option<Bytes> {
        self.lock().queue.take_partial()
    }

    /// Stops all writing and returns the queued frames. Before the connection is [open](Self::open)
    /// it returns none: they would come before the welcome or after a gap.
    pub(crate) fn close_and_drain(&self) -> Vec<Bytes> {
        let mut state = self.lock();
        (state.owner, state.direct) = (WriteOwner::Closed, None);
        let mut last = Vec::new();
        state.queue.drain_into(&mut last);
        if !state.opened {
            last.clear();
        }
        last
    }
}

#[cfg(test)]
#[path = "outbound_tests.rs"]
mod tests;
