//! The way to one receiver: what waits for it, and who may write.
//!
//! Ordered frames and answers queue up, bounded by number and bytes: a receiver that lets them fill is closed and may resume. Positions do
//! not queue: a newer one of the same (sender, key) takes the place of the older, so a slow receiver gets the newest and never a backlog.
//!
//! One lock decides who writes. While the pen is the task's (welcome, replay, a full socket, the close), others only add to what waits: the
//! task looks again before it puts the pen down. While the pen lies free, everything has been written, and whoever adds something writes it
//! at once, under the lock, as far as the socket takes it; what it does not take brings the pen back to the task, and the task awake.

use super::direct::Direct;
use super::meter::Tally;
use super::socket::{DirectWrite, PeerGone};
use super::waiting::{MANY, Shown, Waiting};
use crate::instruction::prefetch::prefetch_front;
use bytes::Bytes;
use faceshare_biz::domain::MemberId;
use faceshare_biz::domain::instruction::CloseReason;
use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// What a delivery needs of a desk, in bytes: the lock, what lies in front of the direct way, and that. A wrong number costs speed alone.
const FRONT: usize = 40;

/// The outbound side of one connection. Filled by its session, emptied by whoever has the pen.
///
/// Laid out by hand, with what every delivery needs in front: it lies beside the count of references then, which every delivery needs too.
#[derive(Debug)]
#[repr(C)]
pub struct Outbound {
    desk: Mutex<Desk>,
    /// One permit says "look again".
    wake: Notify,
    /// Wakes whoever waits for the close alone.
    closed: Notify,
    max_frames: usize,
    max_bytes: usize,
    refusals: Mutex<Tally>,
}

/// Who may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pen {
    /// The connection's task. It looks at what waits before it puts the pen down.
    Task,
    /// Whoever holds the lock. Nothing is half written.
    Free,
    /// Nobody any more.
    Broken,
}

#[derive(Debug)]
#[repr(C)]
struct Desk {
    pen: Pen,
    /// The welcome and what was missed are written: what waits comes next.
    opened: bool,
    /// Somebody has promised to [`Outbound::flush`].
    promised: bool,
    closing: Option<CloseReason>,
    direct: Option<Direct>,
    waiting: Waiting,
}

/// What the connection's task is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send what is in the batch now.
    Send,
    /// Wait until the socket takes more.
    Blocked,
    /// Say goodbye: everything before it is written.
    Close(CloseReason),
    /// Wait until it is [woken](Outbound::ready).
    Rest,
}

impl Desk {
    const fn is_shut(&self) -> bool {
        self.closing.is_some() || matches!(self.pen, Pen::Broken)
    }

    /// Whether whoever has just added something must see to it that it is written. At most one at a time has to.
    const fn wants_flush(&mut self) -> bool {
        let wants = matches!(self.pen, Pen::Free) && !self.promised;
        self.promised |= wants;
        wants
    }

    /// Writes past the task what the socket takes. `true`: everything is out.
    fn write(&mut self) -> Result<bool, PeerGone> {
        let Some(direct) = &self.direct else {
            return Ok(self.waiting.is_empty());
        };
        while !self.waiting.is_empty() {
            let (offered, taken) = if let Some(sole) = self.waiting.sole() {
                (sole.len(), direct.write_now(&[IoSlice::new(sole)])?)
            } else {
                let mut slices = [IoSlice::new(&[]); MANY];
                let (count, bytes) = self.waiting.slices(&mut slices);
                (bytes, direct.write_now(&slices[..count])?)
            };
            self.waiting.written(taken);
            if taken < offered {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Outbound {
    /// An empty queue with these bounds. The pen is the task's.
    #[must_use]
    pub fn new(max_frames: usize, max_bytes: usize) -> Self {
        let refusals = Mutex::new(Tally::new());
        let desk = Desk {
            pen: Pen::Task,
            opened: false,
            promised: false,
            closing: None,
            direct: None,
            waiting: Waiting::default(),
        };
        Self {
            desk: Mutex::new(desk),
            wake: Notify::new(),
            closed: Notify::new(),
            max_frames,
            max_bytes,
            refusals,
        }
    }

    /// The peer was refused something for asking too much, here or by its session. `false`: more than so often within that span.
    pub(crate) fn survives_refusal(&self, refusals: u32, within: Duration) -> bool {
        self.refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .count(refusals, within)
    }

    /// A panic elsewhere leaves no half-made change behind: nothing that can panic runs between two changes that belong together.
    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an ordered frame or an answer. Over the bounds everything that waits is dropped and the receiver is closed as too slow.
    pub fn push(&self, frame: Bytes) {
        let mut desk = self.lock();
        self.add(&mut desk, frame);
        self.write_or_wake(desk);
    }

    /// Like [`push`](Self::push), but leaves the writing to a [`flush`](Self::flush), which the caller must see to if this says so.
    #[must_use]
    pub(crate) fn queue(&self, frame: Bytes) -> bool {
        let mut desk = self.lock();
        self.add(&mut desk, frame);
        desk.wants_flush()
    }

    fn add(&self, desk: &mut Desk, frame: Bytes) {
        if desk.is_shut() {
            return;
        }
        desk.waiting.push(frame);
        let is_over = |desk: &Desk| desk.waiting.exceeds(self.max_frames, self.max_bytes);
        // Whoever is to flush may have gathered more than a receiver's bounds, which says nothing about the receiver.
        if is_over(desk) && desk.pen == Pen::Free && desk.write().is_err() {
            // Gone rather than slow, as its own task finds out.
            desk.waiting.drop_what_has_not_begun();
            desk.pen = Pen::Task;
            self.wake.notify_one();
        }
        if is_over(desk) {
            metrics::counter!("stream_slow_receivers_total").increment(1);
            desk.waiting.drop_what_has_not_begun();
            self.shut(desk, CloseReason::TooSlow);
        }
    }

    /// Shows a position; an older one of the same sender and key that still waits is replaced in its place. The caller must see to a
    /// [`flush`](Self::flush) if this says so.
    #[must_use]
    pub fn show(&self, position: Arc<Shown>) -> bool {
        let mut desk = self.lock();
        if desk.is_shut() {
            return false;
        }
        desk.waiting.show(position);
        desk.wants_flush()
    }

    /// Fetches ahead what a delivery needs.
    pub(crate) fn prefetch(&self) {
        prefetch_front(&self.desk, FRONT);
    }

    /// Shows a position and writes it at once, as far as the socket takes it, when nothing else waits.
    pub(crate) fn deliver(&self, position: &Arc<Shown>) {
        let mut desk = self.lock();
        if desk.is_shut() {
            return;
        }
        // Else it is written with what waits, by whoever has promised to, or by the task.
        let is_next = desk.pen == Pen::Free && !desk.promised;
        let taken = desk
            .direct
            .as_ref()
            .filter(|_| is_next)
            .map_or(Ok(0), |direct| {
                direct.write_now(&[IoSlice::new(&position.frame)])
            });
        if is_next && taken == Ok(position.frame.len()) {
            return;
        }
        desk.waiting.show(position.clone());
        if is_next {
            desk.waiting.written(taken.unwrap_or(0));
            // A peer that is gone is found to be so by the task.
            desk.pen = Pen::Task;
            drop(desk);
            self.wake.notify_one();
        }
    }

    /// Writes what waits, or wakes the task that will.
    pub fn flush(&self) {
        self.write_or_wake(self.lock());
    }

    fn write_or_wake(&self, mut desk: MutexGuard<'_, Desk>) {
        desk.promised = false;
        if desk.pen == Pen::Free && desk.write() != Ok(true) {
            desk.pen = Pen::Task;
            drop(desk);
            self.wake.notify_one();
        }
    }

    /// Drops the positions of a sender that the receiver no longer follows.
    pub fn forget(&self, from: MemberId) {
        self.lock().waiting.retain_positions(|p| p.from != from);
    }

    /// Drops the positions that speak in another term than this: they must not be seen after the instruction that ended theirs.
    pub fn forget_terms_but(&self, term: Option<u32>) {
        self.lock()
            .waiting
            .retain_positions(|p| p.term == 0 || Some(p.term) == term);
    }

    /// Closes after what is queued. The first reason stands.
    pub fn close(&self, reason: CloseReason) {
        let mut desk = self.lock();
        desk.waiting.retain_positions(|_| false);
        self.shut(&mut desk, reason);
    }

    /// From here on the pen is the task's for good.
    fn shut(&self, desk: &mut Desk, reason: CloseReason) {
        desk.closing.get_or_insert(reason);
        if desk.pen == Pen::Free {
            desk.pen = Pen::Task;
        }
        self.closed.notify_one();
        self.wake.notify_one();
    }

    /// Whether it is being closed, and why.
    #[must_use]
    pub fn closing(&self) -> Option<CloseReason> {
        self.lock().closing
    }

    /// Completes when it is being closed; says why. For one waiter.
    pub async fn closed(&self) -> CloseReason {
        loop {
            if let Some(reason) = self.closing() {
                return reason;
            }
            self.closed.notified().await;
        }
    }

    /// For the task: from now on, what waits may be written past it.
    pub(crate) fn open(&self, direct: Option<Arc<dyn DirectWrite>>) {
        let mut desk = self.lock();
        (desk.opened, desk.direct) = (true, direct.map(Direct::from));
    }

    /// For the task: completes when it has the pen again, and something to do with it.
    pub(crate) async fn ready(&self) {
        self.wake.notified().await;
    }

    /// For the task: what to do next. What can be written at once is; without a way to, it is put into `batch`.
    pub(crate) fn next(&self, batch: &mut Vec<Bytes>) -> Result<Next, PeerGone> {
        let mut desk = self.lock();
        (desk.pen, desk.promised) = (Pen::Task, false);
        if desk.direct.is_none() && !desk.waiting.is_empty() {
            desk.waiting.take(batch);
            return Ok(Next::Send);
        }
        if !desk.write()? {
            return Ok(Next::Blocked);
        }
        if let Some(reason) = desk.closing {
            return Ok(Next::Close(reason));
        }
        desk.pen = Pen::Free;
        Ok(Next::Rest)
    }

    /// For the task, as it gives up on what waits: the end of what the peer has the beginning of.
    pub(crate) fn take_rest(&self) -> Option<Bytes> {
        self.lock().waiting.take_rest()
    }

    /// Nothing is written any more, except what this returns: what still waited. Before the connection is [open](Self::open) that is nothing:
    /// it would come behind a gap, or before the welcome.
    pub(crate) fn retire(&self) -> Vec<Bytes> {
        let mut desk = self.lock();
        (desk.pen, desk.direct) = (Pen::Broken, None);
        let mut last = Vec::new();
        desk.waiting.take(&mut last);
        if !desk.opened {
            last.clear();
        }
        last
    }
}

#[cfg(test)]
#[path = "outbound_tests.rs"]
mod tests;
