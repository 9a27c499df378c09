//! When the fan-out writes to which receivers.

use super::{Attached, Fanout, LOCKED_RECEIVERS_MAX, PendingWrites, YIELD_EVERY};
use crate::instruction::connclient::{DirectWrite, Next, Outbound, PeerGone};
use bytes::Bytes;
use faceshare_biz::domain::instruction::{
    Action, ActionKey, ActionValue, CloseReason, Decoded, FrameCodec, Notice, SentAction,
    ServerFrame, WireFormat,
};
use faceshare_biz::domain::{MemberId, PointId, Timestamp};
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const SENDER: u64 = 1;

/// Every frame is one byte.
#[derive(Debug)]
struct ShortCodec;

impl FrameCodec for ShortCodec {
    fn encode(&self, _format: WireFormat, _frame: &ServerFrame) -> Bytes {
        Bytes::from_static(b"p")
    }

    fn decode(&self, _format: WireFormat, _message: &[u8]) -> Decoded {
        Decoded::Malformed
    }
}

/// Counts what it takes.
#[derive(Debug, Default)]
struct CountingSocket(AtomicUsize);

impl DirectWrite for CountingSocket {
    fn write_now(&self, frames: &[IoSlice<'_>]) -> Result<usize, PeerGone> {
        let bytes = frames.iter().map(|frame| frame.len()).sum();
        self.0.fetch_add(bytes, Ordering::SeqCst);
        Ok(bytes)
    }
}

fn member(id: u64) -> MemberId {
    MemberId::new(id).expect("positive")
}

fn point(id: u64) -> PointId {
    PointId::new(id).expect("positive")
}

/// The sockets of those who are shown a position, one after the other.
type Sockets = Vec<Arc<CountingSocket>>;

/// A sender and so many who are shown its position.
fn fanout(receivers: usize) -> (Fanout, Sockets) {
    let ids = SENDER..=SENDER + receivers as u64;
    let roots = ids.clone().skip(1).map(|id| (member(id), member(SENDER)));
    let mut fanout = Fanout::new(Arc::new(ShortCodec), roots);
    let mut sockets = Sockets::new();
    for id in ids {
        let (outbound, socket) = (
            Arc::new(Outbound::new(10, 100)),
            Arc::<CountingSocket>::default(),
        );
        outbound.open(Some(socket.clone()));
        assert_eq!(outbound.next(&mut Vec::new()), Ok(Next::Idle));
        let format = WireFormat::ALL[usize::from(id % 2 == 0)];
        fanout.attach(Attached {
            member: member(id),
            point: point(id),
            incarnation: 1,
            format,
            outbound,
        });
        sockets.push(socket);
    }
    (fanout, sockets.split_off(1))
}

fn show(fanout: &mut Fanout, term: u32) -> usize {
    let key = ActionKey::new("view", 32).expect("short");
    let action = Action {
        file: None,
        key,
        term,
        value: ActionValue::Pointer { x: 0.0, y: 0.0 },
        size: 1,
    };
    fanout.deliver(
        Timestamp::from_millis(0),
        SentAction {
            from: member(SENDER),
            action,
        },
    )
}

/// What each receiver has got since the last time.
fn taken(sockets: &Sockets) -> Vec<usize> {
    sockets
        .iter()
        .map(|socket| socket.0.swap(0, Ordering::SeqCst))
        .collect()
}

#[tokio::test]
async fn a_position_does_not_overtake_an_older_one_that_the_task_is_writing() {
    let ((mut fanout, sockets), mut pending) = (fanout(3), PendingWrites::default());
    assert!(fanout.can_write_inline(point(SENDER), 1));
    assert_eq!(show(&mut fanout, 0), 3);
    fanout.take_pending(&mut pending);
    assert!(
        !fanout.can_write_inline(point(SENDER), 1),
        "an older one is on its way"
    );
    assert!(
        fanout.can_write_inline(point(SENDER + 1), 1),
        "the task writes none of this sender"
    );
    pending.write_out().await;
    fanout.pending_written();
    assert_eq!(taken(&sockets), [1, 1, 1]);
    assert!(fanout.can_write_inline(point(SENDER), 1));
    assert!(
        !fanout.can_write_inline(point(SENDER), 2),
        "another connection"
    );
}

#[test]
fn many_receivers_are_left_to_the_task() {
    assert!(fanout(YIELD_EVERY).0.can_write_inline(point(SENDER), 1));
    assert!(!fanout(YIELD_EVERY + 1).0.can_write_inline(point(SENDER), 1));
}

#[test]
fn a_lone_position_stays_out_of_the_queues_until_another_frame_is_sent() {
    let (mut fanout, sockets) = fanout(3);
    show(&mut fanout, 0);
    show(&mut fanout, 0);
    assert_eq!(taken(&sockets), [0, 0, 0]);
    fanout.write_direct_inline().flush();
    assert_eq!(
        taken(&sockets),
        [1, 1, 1],
        "both lay in queues, where the newer took the place of the older"
    );

    show(&mut fanout, 0);
    let heart = Notice::SysHeart {
        sent_at: Timestamp::from_millis(0),
    };
    fanout.send_to_member(
        member(SENDER + 2),
        &ServerFrame::notice(Timestamp::from_millis(0), heart),
    );
    fanout.write_direct_inline().flush();
    assert_eq!(taken(&sockets), [1, 2, 1]);

    show(&mut fanout, 0);
    assert!(
        fanout.write_direct_inline().is_empty(),
        "few are written to at once"
    );
    assert_eq!(taken(&sockets), [1, 1, 1]);
}

#[test]
fn a_direct_position_is_dropped_when_its_root_term_or_receiver_ends() {
    let (mut fanout, sockets) = fanout(3);
    show(&mut fanout, 0);
    fanout.set_root(member(SENDER + 1), None);
    fanout.write_direct_inline().flush();
    assert_eq!(taken(&sockets), [0, 1, 1], "one follows no member now");
    show(&mut fanout, 1);
    fanout.set_term(Some(2));
    fanout.write_direct_inline().flush();
    assert_eq!(taken(&sockets), [0, 0, 0], "its term is over");
    show(&mut fanout, 0);
    fanout.close_member(member(SENDER + 2), CloseReason::Removed);
    fanout.write_direct_inline().flush();
    assert_eq!(taken(&sockets), [0, 0, 1], "one is being closed");
}

#[tokio::test]
async fn each_receiver_is_written_to_once_however_many_they_are() {
    for receivers in [
        0,
        1,
        LOCKED_RECEIVERS_MAX,
        LOCKED_RECEIVERS_MAX + 1,
        YIELD_EVERY,
        YIELD_EVERY + 1,
        3 * YIELD_EVERY,
    ] {
        let (mut fanout, sockets) = fanout(receivers);
        assert_eq!(show(&mut fanout, 0), receivers);
        fanout.write_direct_inline().flush();
        assert_eq!(taken(&sockets), vec![1; receivers], "by a connection");
        let mut pending = PendingWrites::default();
        show(&mut fanout, 0);
        fanout.take_pending(&mut pending);
        pending.write_out().await;
        assert_eq!(taken(&sockets), vec![1; receivers], "by the task");
    }
}
