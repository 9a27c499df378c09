//! The connected points of a session, and which of them receive whose positions.

use crate::instruction::connclient::{Outbound, QueuedPosition};
use bytes::Bytes;
use faceshare_biz::domain::instruction::{
    CloseReason, FrameCodec, Notice, SentAction, ServerFrame, WireFormat,
};
use faceshare_biz::domain::{MemberId, PointId, Timestamp};
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// One connected point.
#[derive(Debug, Clone)]
pub(crate) struct Attached {
    pub(crate) member: MemberId,
    pub(crate) point: PointId,
    pub(crate) incarnation: u64,
    pub(crate) format: WireFormat,
    pub(crate) outbound: Arc<Outbound>,
}

/// A frame, encoded at most once for each wire format, when first needed.
pub(crate) struct Encoding<'a> {
    frame: &'a ServerFrame,
    codec: &'a dyn FrameCodec,
    encoded: [Option<Bytes>; WireFormat::ALL.len()],
}

impl<'a> Encoding<'a> {
    pub(crate) const fn new(frame: &'a ServerFrame, codec: &'a dyn FrameCodec) -> Self {
        Self {
            frame,
            codec,
            encoded: [None, None],
        }
    }

    pub(crate) fn bytes(&mut self, format: WireFormat) -> Bytes {
        let slot = &mut self.encoded[format as usize];
        slot.get_or_insert_with(|| self.codec.encode(format, self.frame))
            .clone()
    }
}

/// The receivers of one member's positions.
struct Audience {
    points: Vec<(Arc<Outbound>, WireFormat)>,
    /// Whether at least one of them uses this format.
    formats: [bool; WireFormat::ALL.len()],
}

impl<'a> FromIterator<&'a Attached> for Audience {
    fn from_iter<T: IntoIterator<Item = &'a Attached>>(points: T) -> Self {
        let points: Vec<_> = points
            .into_iter()
            .map(|a| (a.outbound.clone(), a.format))
            .collect();
        let formats =
            WireFormat::ALL.map(|format| points.iter().any(|(_, reads)| *reads == format));
        Self { points, formats }
    }
}

impl Audience {
    /// A position in the formats that its receivers use.
    fn encode(&self, at: Timestamp, sent: SentAction, codec: &dyn FrameCodec) -> Encoded {
        let (from, term, key) = (sent.from, sent.action.term, sent.action.key.clone());
        let frame = ServerFrame {
            from: Some(from),
            ..ServerFrame::notice(at, Notice::ActionSync(sent))
        };
        let queued = |format| {
            Arc::new(QueuedPosition {
                from,
                key: key.clone(),
                term,
                frame: codec.encode(format, &frame),
            })
        };
        WireFormat::ALL.map(|format| self.formats[format as usize].then(|| queued(format)))
    }
}

/// A position in each format that its receivers use.
type Encoded = [Option<Arc<QueuedPosition>>; WireFormat::ALL.len()];

/// Receivers that are written to before the task yields: one large session must not delay the other
/// sessions of its thread.
const YIELD_EVERY: usize = 64;
/// Receivers that are written to while the actor is locked, at most: its task may wait that long
/// for the lock.
const LOCKED_RECEIVERS_MAX: usize = 16;
/// How many receivers ahead memory is prefetched: while this many are written to, the prefetch
/// completes.
const PREFETCH_AHEAD: usize = 4;

/// A position and its receivers.
struct Delivery {
    from: MemberId,
    audience: Arc<Audience>,
    encoded: Encoded,
}

impl Delivery {
    /// Each receiver with the position in its format.
    fn receivers(&self) -> impl ExactSizeIterator<Item = (&Arc<Outbound>, &Arc<QueuedPosition>)> {
        self.audience.points.iter().map(|(outbound, format)| {
            let position = self.encoded[*format as usize].as_ref();
            (
                outbound,
                position.expect("invariant: a position is encoded in the formats of its audience"),
            )
        })
    }

    /// Like [`receivers`](Self::receivers); prefetches the memory of the next ones while the caller
    /// writes to one.
    fn receivers_prefetched(&self) -> impl Iterator<Item = (&Arc<Outbound>, &Arc<QueuedPosition>)> {
        let points = &self.audience.points;
        prefetch_all(points.iter().take(PREFETCH_AHEAD));
        self.receivers()
            .enumerate()
            .inspect(|(at, _)| prefetch_all(points.get(at + PREFETCH_AHEAD)))
            .map(|(_, receiver)| receiver)
    }
}

fn prefetch_all<'a>(points: impl IntoIterator<Item = &'a (Arc<Outbound>, WireFormat)>) {
    points
        .into_iter()
        .for_each(|(outbound, _)| outbound.prefetch());
}

/// What is sent and not written to sockets yet.
#[derive(Default)]
pub(crate) struct PendingWrites {
    /// The receivers whose queues are to be flushed.
    outbounds: Vec<Arc<Outbound>>,
    /// A position that is in no queue: nothing else was sent with it, so it can be written
    /// directly.
    direct: Option<Delivery>,
}

impl PendingWrites {
    fn is_empty(&self) -> bool {
        self.outbounds.is_empty() && self.direct.is_none()
    }

    /// Moves the direct position into its receivers' queues, so that what is sent next comes after
    /// it.
    fn enqueue_direct(&mut self) {
        if let Some(direct) = self.direct.take() {
            self.enqueue(&direct);
        }
    }

    /// Puts a position into its receivers' queues.
    fn enqueue(&mut self, delivery: &Delivery) {
        for (outbound, position) in delivery.receivers() {
            if outbound.enqueue_position(position.clone()) {
                self.outbounds.push(outbound.clone());
            }
        }
    }

    /// Writes the direct position, or flushes the queues. Yields after every [`YIELD_EVERY`]
    /// receivers.
    pub(crate) async fn write_out(&mut self) {
        if let Some(direct) = self.direct.take() {
            for (written, (outbound, position)) in direct.receivers_prefetched().enumerate() {
                yield_now_and_then(written).await;
                outbound.deliver(position);
            }
        }
        for (written, outbound) in self.outbounds.drain(..).enumerate() {
            yield_now_and_then(written).await;
            outbound.flush();
        }
    }

    /// Flushes the queues without yielding.
    pub(crate) fn flush(self) {
        debug_assert!(
            self.direct.is_none(),
            "invariant: the direct position is queued or written"
        );
        self.outbounds
            .into_iter()
            .for_each(|outbound| outbound.flush());
    }
}

async fn yield_now_and_then(written: usize) {
    if written % YIELD_EVERY == YIELD_EVERY - 1 {
        tokio::task::yield_now().await;
    }
}

/// The connected points of one session.
///
/// What is sent is collected until the holder of the actor takes it to write it, so that each
/// receiver gets all of it in one write.
pub(crate) struct Fanout {
    /// Ordered by id, so that a run can be repeated exactly.
    points: BTreeMap<PointId, Attached>,
    /// For each member the one whose positions it receives, as committed.
    roots: HashMap<MemberId, MemberId, RandomState>,
    /// The receivers of each root; computed at the first use, dropped when points or roots change.
    audiences: HashMap<MemberId, Arc<Audience>, RandomState>,
    codec: Arc<dyn FrameCodec>,
    pending: PendingWrites,
    /// The sender of the [direct](PendingWrites::direct) position that the session's task is
    /// writing.
    writing: Option<MemberId>,
}

impl Fanout {
    pub(crate) fn new(
        codec: Arc<dyn FrameCodec>,
        roots: impl IntoIterator<Item = (MemberId, MemberId)>,
    ) -> Self {
        let roots = roots.into_iter().collect();
        Self {
            points: BTreeMap::new(),
            roots,
            audiences: HashMap::default(),
            codec,
            pending: PendingWrites::default(),
            writing: None,
        }
    }

    /// Writes the direct position if it has at most [`LOCKED_RECEIVERS_MAX`] receivers, while the
    /// actor is locked and so nothing that ends the position can be sent before it. Returns what
    /// the caller has to flush after it has unlocked the actor.
    pub(crate) fn write_direct_inline(&mut self) -> PendingWrites {
        if let Some(direct) = self
            .pending
            .direct
            .take_if(|direct| direct.audience.points.len() <= LOCKED_RECEIVERS_MAX)
        {
            direct
                .receivers_prefetched()
                .for_each(|(outbound, position)| outbound.deliver(position));
        }
        self.pending.enqueue_direct();
        std::mem::take(&mut self.pending)
    }

    /// Called by the session's task: moves what was sent since the last call into `pending`, which
    /// must be written.
    pub(crate) fn take_pending(&mut self, pending: &mut PendingWrites) {
        debug_assert!(
            pending.is_empty(),
            "invariant: what was taken before is written"
        );
        // A swap, to reuse the memory of `pending`.
        std::mem::swap(&mut self.pending, pending);
        self.writing = pending.direct.as_ref().map(|direct| direct.from);
    }

    /// Called by the session's task when it has written what it took.
    pub(crate) const fn pending_written(&mut self) {
        self.writing = None;
    }

    /// Whether a position of this connection may be written by the caller instead of the session's
    /// task: it has at most [`YIELD_EVERY`] receivers, so the caller need not yield, and the task
    /// is not writing an older one of the same sender. If so, prefetches the receivers' memory.
    pub(crate) fn can_write_inline(&mut self, point: PointId, incarnation: u64) -> bool {
        let Some(from) = self.get(point, incarnation).map(|attached| attached.member) else {
            return false;
        };
        if self.writing == Some(from) {
            return false;
        }
        let points = &self.audience(from).points;
        let may = points.len() <= YIELD_EVERY;
        if may {
            // More are not written to while the actor is locked.
            prefetch_all(points.iter().take(LOCKED_RECEIVERS_MAX));
        }
        may
    }

    /// The receivers of this member's positions.
    fn audience(&mut self, from: MemberId) -> &Arc<Audience> {
        let Self {
            points,
            roots,
            audiences,
            ..
        } = self;
        let receives = |a: &&Attached| roots.get(&a.member) == Some(&from);
        audiences
            .entry(from)
            .or_insert_with(|| Arc::new(points.values().filter(receives).collect()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    pub(crate) fn points(&self) -> impl Iterator<Item = &Attached> {
        self.points.values()
    }

    /// The point, if this connection (`incarnation`) holds it.
    pub(crate) fn get(&self, point: PointId, incarnation: u64) -> Option<&Attached> {
        self.points
            .get(&point)
            .filter(|a| a.incarnation == incarnation)
    }

    /// Adds a connection; one that held the same point is closed as replaced.
    pub(crate) fn attach(&mut self, attached: Attached) {
        self.pending.enqueue_direct();
        self.audiences.clear();
        if let Some(old) = self.points.insert(attached.point, attached) {
            old.outbound.close(CloseReason::Replaced);
        }
    }

    /// Removes a connection; does nothing if another one holds its point by now.
    pub(crate) fn detach(&mut self, point: PointId, incarnation: u64) {
        if self.get(point, incarnation).is_some() {
            self.pending.enqueue_direct();
            self.points.remove(&point);
            self.audiences.clear();
        }
    }

    /// Sends to all points.
    pub(crate) fn broadcast(&mut self, frame: &ServerFrame) {
        self.send_where(|_| true, frame);
    }

    /// Sends to the points of one member.
    pub(crate) fn send_to_member(&mut self, member: MemberId, frame: &ServerFrame) {
        self.send_where(|a| a.member == member, frame);
    }

    fn send_where(&mut self, whom: impl Fn(&Attached) -> bool, frame: &ServerFrame) {
        self.pending.enqueue_direct();
        let mut encoding = Encoding::new(frame, self.codec.as_ref());
        for attached in self.points.values().filter(|a| whom(a)) {
            if attached.outbound.enqueue(encoding.bytes(attached.format)) {
                self.pending.outbounds.push(attached.outbound.clone());
            }
        }
    }

    /// Sends to one connection, if it still holds its point.
    pub(crate) fn send_to_point(&mut self, point: PointId, incarnation: u64, frame: &ServerFrame) {
        self.pending.enqueue_direct();
        if let Some(attached) = self.get(point, incarnation)
            && attached
                .outbound
                .enqueue(self.codec.encode(attached.format, frame))
        {
            let outbound = attached.outbound.clone();
            self.pending.outbounds.push(outbound);
        }
    }

    /// Whether this member's positions have a receiver.
    pub(crate) fn has_audience(&mut self, from: MemberId) -> bool {
        !self.audience(from).points.is_empty()
    }

    /// Sends a position to the points whose root is its sender; returns their number.
    pub(crate) fn deliver(&mut self, at: Timestamp, sent: SentAction) -> usize {
        let from = sent.from;
        let audience = self.audience(from).clone();
        let count = audience.points.len();
        if count == 0 {
            return 0;
        }
        let delivery = Delivery {
            from,
            encoded: audience.encode(at, sent, self.codec.as_ref()),
            audience,
        };
        if self.pending.is_empty() {
            self.pending.direct = Some(delivery);
        } else {
            self.pending.enqueue_direct();
            self.pending.enqueue(&delivery);
        }
        count
    }

    /// Sends positions to the points of one member, which has begun to follow their sender.
    pub(crate) fn deliver_to_member(
        &mut self,
        member: MemberId,
        at: Timestamp,
        sent: &[SentAction],
    ) {
        self.deliver_where(|a| a.member == member, at, sent);
    }

    /// Sends positions to one connection, which has just connected again.
    pub(crate) fn deliver_to_point(
        &mut self,
        point: PointId,
        incarnation: u64,
        at: Timestamp,
        sent: &[SentAction],
    ) {
        self.deliver_where(
            |a| a.point == point && a.incarnation == incarnation,
            at,
            sent,
        );
    }

    fn deliver_where(
        &mut self,
        whom: impl Fn(&Attached) -> bool,
        at: Timestamp,
        sent: &[SentAction],
    ) {
        if sent.is_empty() {
            return;
        }
        self.pending.enqueue_direct();
        let audience: Arc<Audience> = Arc::new(self.points.values().filter(|a| whom(a)).collect());
        for sent in sent {
            let encoded = audience.encode(at, sent.clone(), self.codec.as_ref());
            self.pending.enqueue(&Delivery {
                from: sent.from,
                audience: audience.clone(),
                encoded,
            });
        }
    }

    /// The member whose positions this member receives.
    pub(crate) fn root(&self, member: MemberId) -> Option<MemberId> {
        self.roots.get(&member).copied()
    }

    /// Sets the member whose positions this member receives, and drops the queued positions of the
    /// one before. Returns whether it changed.
    pub(crate) fn set_root(&mut self, member: MemberId, root: Option<MemberId>) -> bool {
        let before = match root {
            Some(root) => self.roots.insert(member, root),
            None => self.roots.remove(&member),
        };
        if before == root {
            return false;
        }
        self.pending.enqueue_direct();
        self.audiences.clear();
        if let Some(before) = before {
            for attached in self.points.values().filter(|a| a.member == member) {
                attached.outbound.drop_positions_of(before);
            }
        }
        true
    }

    /// Sets the presenting term, and drops the queued positions of other terms.
    pub(crate) fn set_term(&mut self, term: Option<u32>) {
        self.pending.enqueue_direct();
        for attached in self.points.values() {
            attached.outbound.drop_terms_except(term);
        }
    }

    /// Closes the connections of one member after their queued frames.
    pub(crate) fn close_member(&mut self, member: MemberId, reason: CloseReason) {
        self.pending.enqueue_direct();
        for attached in self.points.values().filter(|a| a.member == member) {
            attached.outbound.close(reason);
        }
    }

    /// Closes all connections after their queued frames.
    pub(crate) fn close_all(&mut self, reason: CloseReason) {
        self.pending.enqueue_direct();
        for attached in self.points.values() {
            attached.outbound.close(reason);
        }
    }
}

#[cfg(test)]
#[path = "fanout_tests.rs"]
mod tests;
