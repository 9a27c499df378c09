//! Who is connected to a session here, and who is shown whose position.

use crate::instruction::connclient::{Outbound, Shown};
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

/// Those who are shown somebody's position.
struct Audience {
    points: Vec<(Arc<Outbound>, WireFormat)>,
    /// Whether somebody among them reads this format.
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
    /// A position in the formats of those who are here.
    fn encode(&self, at: Timestamp, sent: SentAction, codec: &dyn FrameCodec) -> Encoded {
        let (from, term, key) = (sent.from, sent.action.term, sent.action.key.clone());
        let frame = ServerFrame {
            from: Some(from),
            ..ServerFrame::notice(at, Notice::ActionSync(sent))
        };
        let shown = |format| {
            Arc::new(Shown {
                from,
                key: key.clone(),
                term,
                frame: codec.encode(format, &frame),
            })
        };
        WireFormat::ALL.map(|format| self.formats[format as usize].then(|| shown(format)))
    }
}

/// A position in each format that is needed.
type Encoded = [Option<Arc<Shown>>; WireFormat::ALL.len()];

/// Receivers that are written to in a row before others have a turn: one large session must not hold up all that share its core.
const TURN: usize = 64;
/// So many are written to while the actor is held: its task may stand still for as long.
const FEW: usize = 16;
/// Receivers ahead whose memory is fetched: by the time that so many are written to, it has come.
const NEXT: usize = 4;

/// A position on its way to those who are shown it.
struct Showing {
    from: MemberId,
    audience: Arc<Audience>,
    shown: Encoded,
}

impl Showing {
    /// The receivers, and what is for each of them.
    fn receivers(&self) -> impl ExactSizeIterator<Item = (&Arc<Outbound>, &Arc<Shown>)> {
        self.audience.points.iter().map(|(outbound, format)| {
            let shown = self.shown[*format as usize].as_ref();
            (
                outbound,
                shown.expect("invariant: it is encoded in the formats of its audience"),
            )
        })
    }

    /// The same for those who are written to in a row: what the next ones need is fetched while one is written to.
    fn in_a_row(&self) -> impl Iterator<Item = (&Arc<Outbound>, &Arc<Shown>)> {
        let points = &self.audience.points;
        prefetch_all(points.iter().take(NEXT));
        self.receivers()
            .enumerate()
            .inspect(|(at, _)| prefetch_all(points.get(at + NEXT)))
            .map(|(_, receiver)| receiver)
    }
}

fn prefetch_all<'a>(points: impl IntoIterator<Item = &'a (Arc<Outbound>, WireFormat)>) {
    points
        .into_iter()
        .for_each(|(outbound, _)| outbound.prefetch());
}

/// What was said and is not written yet.
#[derive(Default)]
pub(crate) struct Told {
    /// Those who have something in their queues.
    outbounds: Vec<Arc<Outbound>>,
    /// A position with which nothing else was said, and which need not lie in its receivers' queues before it is written.
    sole: Option<Showing>,
}

impl Told {
    fn is_empty(&self) -> bool {
        self.outbounds.is_empty() && self.sole.is_none()
    }

    fn settle(&mut self) {
        if let Some(sole) = self.sole.take() {
            self.queue(&sole);
        }
    }

    /// Puts a position into the receivers' queues.
    fn queue(&mut self, position: &Showing) {
        for (outbound, shown) in position.receivers() {
            if outbound.show(shown.clone()) {
                self.outbounds.push(outbound.clone());
            }
        }
    }

    /// Writes the sole position, or what lies in queues.
    pub(crate) async fn write_out(&mut self) {
        if let Some(sole) = self.sole.take() {
            for (written, (outbound, shown)) in sole.in_a_row().enumerate() {
                give_way(written).await;
                outbound.deliver(shown);
            }
        }
        for (written, outbound) in self.outbounds.drain(..).enumerate() {
            give_way(written).await;
            outbound.flush();
        }
    }

    /// Writes what lies in queues, in one turn.
    pub(crate) fn flush(self) {
        debug_assert!(self.sole.is_none(), "invariant: it was queued or written");
        self.outbounds
            .into_iter()
            .for_each(|outbound| outbound.flush());
    }
}

async fn give_way(written: usize) {
    if written % TURN == TURN - 1 {
        tokio::task::yield_now().await;
    }
}

/// The connected points of one session.
///
/// What is said here waits until whoever holds the actor takes it away to be written, so that each receiver gets all of it in one go.
pub(crate) struct Fanout {
    /// In a fixed order, so that the same things happen in the same order every time.
    points: BTreeMap<PointId, Attached>,
    /// Whose position each member is shown, as committed.
    roots: HashMap<MemberId, MemberId, RandomState>,
    /// The points that are shown a root's position; made when first needed, dropped when anything changes.
    audiences: HashMap<MemberId, Arc<Audience>, RandomState>,
    codec: Arc<dyn FrameCodec>,
    told: Told,
    /// Whose [sole](Told::sole) position the session's task has, and may not have written to all.
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
            told: Told::default(),
            writing: None,
        }
    }

    /// Writes a sole position if it goes to few, while nothing can be said that it must not come after. What the caller still has to flush
    /// once it has let the actor go.
    pub(crate) fn write_to_few(&mut self) -> Told {
        if let Some(sole) = self
            .told
            .sole
            .take_if(|sole| sole.audience.points.len() <= FEW)
        {
            sole.in_a_row()
                .for_each(|(outbound, shown)| outbound.deliver(shown));
        }
        self.told.settle();
        std::mem::take(&mut self.told)
    }

    /// For the session's task, which has written what it was handed over before: what was said since then.
    pub(crate) fn hand_over_told(&mut self, told: &mut Told) {
        debug_assert!(
            told.is_empty(),
            "invariant: what was handed over before is written"
        );
        // Its memory is used again.
        std::mem::swap(&mut self.told, told);
        self.writing = told.sole.as_ref().map(|sole| sole.from);
    }

    /// For the session's task: what was handed over is written.
    pub(crate) const fn written(&mut self) {
        self.writing = None;
    }

    /// Whether a position of this connection may go out past the session's task: to so few that nobody need have a turn in between, and
    /// not ahead of an older one. If so, what they need is on its way.
    pub(crate) fn may_go_past_the_task(&mut self, point: PointId, incarnation: u64) -> bool {
        let Some(from) = self.get(point, incarnation).map(|attached| attached.member) else {
            return false;
        };
        if self.writing == Some(from) {
            return false;
        }
        let points = &self.audience(from).points;
        let may = points.len() <= TURN;
        if may {
            // Those who are written to in a moment.
            prefetch_all(points.iter().take(FEW));
        }
        may
    }

    /// The points that are shown this member's position.
    fn audience(&mut self, from: MemberId) -> &Arc<Audience> {
        let Self {
            points,
            roots,
            audiences,
            ..
        } = self;
        let is_shown = |a: &&Attached| roots.get(&a.member) == Some(&from);
        audiences
            .entry(from)
            .or_insert_with(|| Arc::new(points.values().filter(is_shown).collect()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    pub(crate) fn points(&self) -> impl Iterator<Item = &Attached> {
        self.points.values()
    }

    /// The connection that holds this point, if it is this one.
    pub(crate) fn get(&self, point: PointId, incarnation: u64) -> Option<&Attached> {
        self.points
            .get(&point)
            .filter(|a| a.incarnation == incarnation)
    }

    /// Takes a connection in; the one that held the point before is told that it is replaced.
    pub(crate) fn attach(&mut self, attached: Attached) {
        self.told.settle();
        self.audiences.clear();
        if let Some(old) = self.points.insert(attached.point, attached) {
            old.outbound.close(CloseReason::Replaced);
        }
    }

    /// Lets a connection go; one that was replaced is gone already.
    pub(crate) fn detach(&mut self, point: PointId, incarnation: u64) {
        if self.get(point, incarnation).is_some() {
            self.told.settle();
            self.points.remove(&point);
            self.audiences.clear();
        }
    }

    /// To everybody, in order.
    pub(crate) fn broadcast(&mut self, frame: &ServerFrame) {
        self.tell_those(|_| true, frame);
    }

    /// To the points of one member.
    pub(crate) fn tell_member(&mut self, member: MemberId, frame: &ServerFrame) {
        self.tell_those(|a| a.member == member, frame);
    }

    fn tell_those(&mut self, whom: impl Fn(&Attached) -> bool, frame: &ServerFrame) {
        self.told.settle();
        let mut encoding = Encoding::new(frame, self.codec.as_ref());
        for attached in self.points.values().filter(|a| whom(a)) {
            if attached.outbound.queue(encoding.bytes(attached.format)) {
                self.told.outbounds.push(attached.outbound.clone());
            }
        }
    }

    /// To one connection, if it still holds its point.
    pub(crate) fn tell(&mut self, point: PointId, incarnation: u64, frame: &ServerFrame) {
        self.told.settle();
        if let Some(attached) = self.get(point, incarnation)
            && attached
                .outbound
                .queue(self.codec.encode(attached.format, frame))
        {
            let outbound = attached.outbound.clone();
            self.told.outbounds.push(outbound);
        }
    }

    /// Whether anybody is shown this member's position.
    pub(crate) fn has_audience(&mut self, from: MemberId) -> bool {
        !self.audience(from).points.is_empty()
    }

    /// A position, to those whose root is its sender. How many points it went to.
    pub(crate) fn show(&mut self, at: Timestamp, sent: SentAction) -> usize {
        let from = sent.from;
        let audience = self.audience(from).clone();
        let count = audience.points.len();
        if count == 0 {
            return 0;
        }
        let position = Showing {
            from,
            shown: audience.encode(at, sent, self.codec.as_ref()),
            audience,
        };
        if self.told.is_empty() {
            self.told.sole = Some(position);
        } else {
            self.told.settle();
            self.told.queue(&position);
        }
        count
    }

    /// Positions for one member's points, as it has just begun to follow their sender.
    pub(crate) fn show_member(&mut self, member: MemberId, at: Timestamp, sent: &[SentAction]) {
        self.show_those(|a| a.member == member, at, sent);
    }

    /// Positions for one connection, as it has just come back.
    pub(crate) fn show_point(
        &mut self,
        point: PointId,
        incarnation: u64,
        at: Timestamp,
        sent: &[SentAction],
    ) {
        self.show_those(
            |a| a.point == point && a.incarnation == incarnation,
            at,
            sent,
        );
    }

    fn show_those(&mut self, whom: impl Fn(&Attached) -> bool, at: Timestamp, sent: &[SentAction]) {
        if sent.is_empty() {
            return;
        }
        self.told.settle();
        let audience: Arc<Audience> = Arc::new(self.points.values().filter(|a| whom(a)).collect());
        for sent in sent {
            let shown = audience.encode(at, sent.clone(), self.codec.as_ref());
            self.told.queue(&Showing {
                from: sent.from,
                audience: audience.clone(),
                shown,
            });
        }
    }

    /// Whose position a member is shown.
    pub(crate) fn root(&self, member: MemberId) -> Option<MemberId> {
        self.roots.get(&member).copied()
    }

    /// Sets whose position a member is shown; what waits for it from the one before is dropped. Whether it is another one.
    pub(crate) fn set_root(&mut self, member: MemberId, root: Option<MemberId>) -> bool {
        let before = match root {
            Some(root) => self.roots.insert(member, root),
            None => self.roots.remove(&member),
        };
        if before == root {
            return false;
        }
        self.told.settle();
        self.audiences.clear();
        if let Some(before) = before {
            for attached in self.points.values().filter(|a| a.member == member) {
                attached.outbound.forget(before);
            }
        }
        true
    }

    /// This is the presenting term from here on: what waits from another is dropped.
    pub(crate) fn set_term(&mut self, term: Option<u32>) {
        self.told.settle();
        for attached in self.points.values() {
            attached.outbound.forget_terms_but(term);
        }
    }

    /// Closes the connections of one member, after what is queued for them.
    pub(crate) fn close_member(&mut self, member: MemberId, reason: CloseReason) {
        self.told.settle();
        for attached in self.points.values().filter(|a| a.member == member) {
            attached.outbound.close(reason);
        }
    }

    /// Closes all connections, after what is queued for them.
    pub(crate) fn close_all(&mut self, reason: CloseReason) {
        self.told.settle();
        for attached in self.points.values() {
            attached.outbound.close(reason);
        }
    }
}

#[cfg(test)]
#[path = "fanout_tests.rs"]
mod tests;
