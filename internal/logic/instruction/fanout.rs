//! Who is connected to a session here, and who is shown whose position.

use crate::instruction::connclient::{Outbound, Shown};
use bytes::Bytes;
use faceshare_biz::domain::instruction::{ActionKey, CloseReason, FrameCodec, Notice, SentAction, ServerFrame, WireFormat};
use faceshare_biz::domain::{MemberId, PointId, Timestamp};
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
        Self { frame, codec, encoded: [None, None] }
    }

    pub(crate) fn bytes(&mut self, format: WireFormat) -> Bytes {
        let slot = &mut self.encoded[format as usize];
        slot.get_or_insert_with(|| self.codec.encode(format, self.frame)).clone()
    }
}

/// A position, encoded at most once for each wire format, when first needed.
struct Showing<'a> {
    from: MemberId,
    key: &'a ActionKey,
    term: u32,
    encoding: Encoding<'a>,
    shown: [Option<Arc<Shown>>; WireFormat::ALL.len()],
}

impl<'a> Showing<'a> {
    fn new(frame: &'a ServerFrame, sent: &'a SentAction, codec: &'a dyn FrameCodec) -> Self {
        let SentAction { from, action } = sent;
        Self { from: *from, key: &action.key, term: action.term, encoding: Encoding::new(frame, codec), shown: [None, None] }
    }

    fn shown(&mut self, format: WireFormat) -> Arc<Shown> {
        let Self { from, key, term, encoding, shown } = self;
        let encode = || Arc::new(Shown { from: *from, key: (*key).clone(), term: *term, frame: encoding.bytes(format) });
        shown[format as usize].get_or_insert_with(encode).clone()
    }
}

/// Receivers that are written to in a row before others have a turn: one large session must not hold up all that share its core.
const TURN: usize = 64;

/// Those to whom something was said.
pub(crate) type Told = Vec<Arc<Outbound>>;

/// Writes what was said to these.
pub(crate) async fn write_out(told: &mut Told) {
    for (written, outbound) in told.drain(..).enumerate() {
        if written % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
        outbound.flush();
    }
}

/// The connected points of one session.
///
/// What is said here waits until it is [written](write_out), so that each receiver gets all of it in one go.
pub(crate) struct Fanout {
    /// In a fixed order, so that the same things happen in the same order every time.
    points: BTreeMap<PointId, Attached>,
    /// Whose position each member is shown, as committed.
    roots: HashMap<MemberId, MemberId>,
    /// The points that are shown a root's position; made when first needed, dropped when anything changes.
    audiences: HashMap<MemberId, Vec<Attached>>,
    codec: Arc<dyn FrameCodec>,
    /// Those to whom something was said and not written yet.
    told: Told,
}

impl Fanout {
    pub(crate) fn new(codec: Arc<dyn FrameCodec>, roots: HashMap<MemberId, MemberId>) -> Self {
        Self { points: BTreeMap::new(), roots, audiences: HashMap::new(), codec, told: Vec::new() }
    }

    /// Those to whom something was said since the last time: whoever takes them sees to it that it is [written](write_out).
    pub(crate) fn take_told(&mut self) -> Told {
        std::mem::take(&mut self.told)
    }

    /// The same, added to a list.
    pub(crate) fn hand_over_told(&mut self, told: &mut Told) {
        if told.is_empty() {
            // Its memory is used again.
            std::mem::swap(&mut self.told, told);
        } else {
            told.append(&mut self.told);
        }
    }

    /// Whether a position of this connection goes to so few that nobody need have a turn in between.
    pub(crate) fn is_written_in_one_turn(&mut self, point: PointId, incarnation: u64) -> bool {
        let Some(from) = self.get(point, incarnation).map(|attached| attached.member) else { return false };
        audience(&mut self.audiences, &self.points, &self.roots, from).len() <= TURN
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    pub(crate) fn points(&self) -> impl Iterator<Item = &Attached> {
        self.points.values()
    }

    /// The connection that holds this point, if it is this one.
    pub(crate) fn get(&self, point: PointId, incarnation: u64) -> Option<&Attached> {
        self.points.get(&point).filter(|a| a.incarnation == incarnation)
    }

    /// Takes a connection in; the one that held the point before is told that it is replaced.
    pub(crate) fn attach(&mut self, attached: Attached) {
        self.audiences.clear();
        if let Some(old) = self.points.insert(attached.point, attached) {
            old.outbound.close(CloseReason::Replaced);
        }
    }

    /// Lets a connection go; one that was replaced is gone already.
    pub(crate) fn detach(&mut self, point: PointId, incarnation: u64) {
        if self.get(point, incarnation).is_some() {
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
        let mut encoding = Encoding::new(frame, self.codec.as_ref());
        for attached in self.points.values().filter(|a| whom(a)) {
            if attached.outbound.queue(encoding.bytes(attached.format)) {
                self.told.push(attached.outbound.clone());
            }
        }
    }

    /// To one connection, if it still holds its point.
    pub(crate) fn tell(&mut self, point: PointId, incarnation: u64, frame: &ServerFrame) {
        if let Some(attached) = self.get(point, incarnation)
            && attached.outbound.queue(self.codec.encode(attached.format, frame))
        {
            let outbound = attached.outbound.clone();
            self.told.push(outbound);
        }
    }

    /// Whether anybody is shown this member's position.
    pub(crate) fn has_audience(&mut self, from: MemberId) -> bool {
        !audience(&mut self.audiences, &self.points, &self.roots, from).is_empty()
    }

    /// A position, to those whose root is its sender. How many points it went to.
    pub(crate) fn show(&mut self, at: Timestamp, sent: SentAction) -> usize {
        let frame = position(at, &sent);
        let mut showing = Showing::new(&frame, &sent, self.codec.as_ref());
        let audience = audience(&mut self.audiences, &self.points, &self.roots, sent.from);
        for attached in audience {
            if attached.outbound.show(showing.shown(attached.format)) {
                self.told.push(attached.outbound.clone());
            }
        }
        audience.len()
    }

    /// Positions for one member's points, as it has just begun to follow their sender.
    pub(crate) fn show_member(&mut self, member: MemberId, at: Timestamp, sent: &[SentAction]) {
        self.show_those(|a| a.member == member, at, sent);
    }

    /// Positions for one connection, as it has just come back.
    pub(crate) fn show_point(&mut self, point: PointId, incarnation: u64, at: Timestamp, sent: &[SentAction]) {
        self.show_those(|a| a.point == point && a.incarnation == incarnation, at, sent);
    }

    fn show_those(&mut self, whom: impl Fn(&Attached) -> bool, at: Timestamp, sent: &[SentAction]) {
        if sent.is_empty() {
            return;
        }
        let receivers: Vec<&Attached> = self.points.values().filter(|a| whom(a)).collect();
        for sent in sent {
            let frame = position(at, sent);
            let mut showing = Showing::new(&frame, sent, self.codec.as_ref());
            for attached in &receivers {
                if attached.outbound.show(showing.shown(attached.format)) {
                    self.told.push(attached.outbound.clone());
                }
            }
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
        self.audiences.clear();
        if let Some(before) = before {
            for attached in self.points.values().filter(|a| a.member == member) {
                attached.outbound.forget(before);
            }
        }
        true
    }

    /// This is the presenting term from here on: what waits from another is dropped.
    pub(crate) fn set_term(&self, term: Option<u32>) {
        for attached in self.points.values() {
            attached.outbound.forget_terms_but(term);
        }
    }

    /// Closes the connections of one member, after what is queued for them.
    pub(crate) fn close_member(&self, member: MemberId, reason: CloseReason) {
        for attached in self.points.values().filter(|a| a.member == member) {
            attached.outbound.close(reason);
        }
    }

    /// Closes all connections, after what is queued for them.
    pub(crate) fn close_all(&self, reason: CloseReason) {
        for attached in self.points.values() {
            attached.outbound.close(reason);
        }
    }
}

/// The points that are shown this member's position.
fn audience<'a>(
    audiences: &'a mut HashMap<MemberId, Vec<Attached>>,
    points: &BTreeMap<PointId, Attached>,
    roots: &HashMap<MemberId, MemberId>,
    from: MemberId,
) -> &'a [Attached] {
    audiences.entry(from).or_insert_with(|| points.values().filter(|a| roots.get(&a.member) == Some(&from)).cloned().collect())
}

fn position(at: Timestamp, sent: &SentAction) -> ServerFrame {
    let from = Some(sent.from);
    ServerFrame { from, ..ServerFrame::notice(at, Notice::ActionSync(sent.clone())) }
}
