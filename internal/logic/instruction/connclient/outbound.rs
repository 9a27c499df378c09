//! What waits for one receiver.
//!
//! Ordered frames and answers queue up, bounded by number and bytes: a receiver that lets them fill is closed and may resume. Positions do
//! not queue: a newer one of the same (sender, key) takes the place of the older, so a slow receiver gets the newest and never a backlog.

use super::meter::Tally;
use bytes::Bytes;
use faceshare_biz::domain::MemberId;
use faceshare_biz::domain::instruction::{ActionKey, CloseReason};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// The outbound side of one connection. Filled by the session, emptied by the connection's writer.
#[derive(Debug)]
pub struct Outbound {
    queue: Mutex<Queue>,
    /// One permit says "look again": any number of pushes between two looks cost one wake.
    wake: Notify,
    /// Wakes whoever waits for the close alone.
    closed: Notify,
    max_frames: usize,
    max_bytes: usize,
    refusals: Mutex<Tally>,
}

#[derive(Debug, Default)]
struct Queue {
    ordered: VecDeque<Bytes>,
    bytes: usize,
    /// In the order in which their keys were first written since the last look.
    positions: Vec<Position>,
    closing: Option<CloseReason>,
}

#[derive(Debug)]
struct Position {
    from: MemberId,
    key: ActionKey,
    /// The presenting term it speaks in; 0: none.
    term: u32,
    frame: Bytes,
}

impl Outbound {
    /// An empty queue with these bounds.
    #[must_use]
    pub fn new(max_frames: usize, max_bytes: usize) -> Self {
        let refusals = Mutex::new(Tally::new(u32::MAX, Duration::MAX));
        Self { queue: Mutex::default(), wake: Notify::new(), closed: Notify::new(), max_frames, max_bytes, refusals }
    }

    /// The same for a peer that is refused at most so often within each span of time.
    #[must_use]
    pub fn surviving(self, refusals: u32, within: Duration) -> Self {
        Self { refusals: Mutex::new(Tally::new(refusals, within)), ..self }
    }

    /// The peer was refused something for asking too much, here or by its session. `false`: once too often.
    pub(crate) fn survives_refusal(&self) -> bool {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).count()
    }

    /// A panic elsewhere leaves no half-made change behind, since each change here is one assignment or push.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an ordered frame or an answer. Over the bounds everything that waits is dropped and the receiver is closed as too slow.
    pub fn push(&self, frame: Bytes) {
        {
            let mut queue = self.lock();
            if queue.closing.is_some() {
                return;
            }
            queue.bytes += frame.len();
            queue.ordered.push_back(frame);
            if queue.ordered.len() > self.max_frames || queue.bytes > self.max_bytes {
                metrics::counter!("stream_slow_receivers_total").increment(1);
                *queue = Queue { closing: Some(CloseReason::TooSlow), ..Queue::default() };
                self.closed.notify_one();
            }
        }
        self.wake.notify_one();
    }

    /// Shows a position; an older one of the same sender and key that still waits is replaced in its place.
    pub fn show(&self, from: MemberId, key: ActionKey, term: u32, frame: Bytes) {
        {
            let mut queue = self.lock();
            if queue.closing.is_some() {
                return;
            }
            match queue.positions.iter_mut().find(|p| p.from == from && p.key == key) {
                Some(position) => (position.term, position.frame) = (term, frame),
                None => queue.positions.push(Position { from, key, term, frame }),
            }
        }
        self.wake.notify_one();
    }

    /// Drops the positions of a sender that the receiver no longer follows.
    pub fn forget(&self, from: MemberId) {
        self.lock().positions.retain(|p| p.from != from);
    }

    /// Drops the positions that speak in another term than this: they must not be seen after the instruction that ended theirs.
    pub fn forget_terms_but(&self, term: Option<u32>) {
        self.lock().positions.retain(|p| p.term == 0 || Some(p.term) == term);
    }

    /// Closes after what is queued. The first reason stands.
    pub fn close(&self, reason: CloseReason) {
        {
            let mut queue = self.lock();
            queue.closing.get_or_insert(reason);
            queue.positions.clear();
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

    /// Completes when there may be something to [`take`](Self::take).
    pub async fn ready(&self) {
        self.wake.notified().await;
    }

    /// Moves everything that waits to the end of `batch`, ordered frames first: an edge is known before the position that it brings.
    /// Returns the reason to close once that is written.
    pub fn take(&self, batch: &mut Vec<Bytes>) -> Option<CloseReason> {
        let mut queue = self.lock();
        batch.extend(queue.ordered.drain(..));
        queue.bytes = 0;
        batch.extend(queue.positions.drain(..).map(|p| p.frame));
        queue.closing
    }
}

#[cfg(test)]
mod tests {
    use super::{Bytes, CloseReason, Outbound};
    use faceshare_biz::domain::MemberId;
    use faceshare_biz::domain::instruction::ActionKey;

    fn member(id: u64) -> MemberId {
        MemberId::new(id).expect("positive")
    }

    fn key(name: &str) -> ActionKey {
        ActionKey::new(name, 32).expect("short")
    }

    fn taken(outbound: &Outbound) -> (Vec<Bytes>, Option<CloseReason>) {
        let mut batch = Vec::new();
        let closing = outbound.take(&mut batch);
        (batch, closing)
    }

    #[test]
    fn ordered_frames_come_first_and_in_order_and_positions_are_the_newest() {
        let outbound = Outbound::new(10, 100);
        outbound.show(member(1), key("view"), 0, Bytes::from_static(b"v1"));
        outbound.push(Bytes::from_static(b"a"));
        outbound.show(member(1), key("pointer"), 0, Bytes::from_static(b"p1"));
        outbound.show(member(1), key("view"), 0, Bytes::from_static(b"v2"));
        outbound.push(Bytes::from_static(b"b"));
        assert_eq!(taken(&outbound), (vec!["a".into(), "b".into(), "v2".into(), "p1".into()], None));
        assert_eq!(taken(&outbound), (vec![], None));
    }

    #[test]
    fn a_receiver_over_its_bounds_is_too_slow_and_holds_nothing_more() {
        for (frames, bytes) in [(2, 1000), (1000, 5)] {
            let outbound = Outbound::new(frames, bytes);
            for _ in 0..3 {
                outbound.push(Bytes::from_static(b"xx"));
            }
            outbound.push(Bytes::from_static(b"yy"));
            assert_eq!(taken(&outbound), (vec![], Some(CloseReason::TooSlow)));
        }
    }

    #[test]
    fn what_is_queued_goes_out_before_the_close_and_the_first_reason_stands() {
        let outbound = Outbound::new(10, 100);
        outbound.push(Bytes::from_static(b"quit"));
        outbound.close(CloseReason::Left);
        outbound.close(CloseReason::SessionEnded);
        outbound.push(Bytes::from_static(b"late"));
        assert_eq!(taken(&outbound), (vec!["quit".into()], Some(CloseReason::Left)));
    }

    #[test]
    fn positions_of_somebody_no_longer_followed_are_dropped() {
        let outbound = Outbound::new(10, 100);
        outbound.show(member(1), key("view"), 0, Bytes::from_static(b"1"));
        outbound.show(member(2), key("view"), 0, Bytes::from_static(b"2"));
        outbound.forget(member(1));
        assert_eq!(taken(&outbound).0, vec![Bytes::from_static(b"2")]);
    }
    #[test]
    fn positions_of_a_term_that_is_over_are_dropped() {
        let left = |term| {
            let outbound = Outbound::new(10, 100);
            outbound.show(member(1), key("view"), 2, Bytes::from_static(b"2"));
            outbound.show(member(1), key("pointer"), 3, Bytes::from_static(b"3"));
            outbound.show(member(2), key("view"), 0, Bytes::from_static(b"own"));
            outbound.forget_terms_but(term);
            taken(&outbound).0
        };
        assert_eq!(left(Some(3)), ["3", "own"]);
        assert_eq!(left(None), ["own"]);
    }

    #[test]
    fn a_newer_value_speaks_in_its_own_term() {
        let outbound = Outbound::new(10, 100);
        outbound.show(member(1), key("view"), 2, Bytes::from_static(b"2"));
        outbound.show(member(1), key("view"), 3, Bytes::from_static(b"3"));
        outbound.forget_terms_but(Some(3));
        assert_eq!(taken(&outbound).0, ["3"]);
    }
}
