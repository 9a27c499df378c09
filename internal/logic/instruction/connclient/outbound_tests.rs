//! An outbound queue over a socket that takes a set number of bytes.

use super::{
    Arc, Bytes, CloseReason, DirectWrite, IoSlice, MemberId, Next, Outbound, PeerGone,
    QueuedPosition,
};
use faceshare_biz::domain::instruction::ActionKey;
use std::sync::Mutex;

fn member(id: u64) -> MemberId {
    MemberId::new(id).expect("positive")
}

fn show(outbound: &Outbound, from: MemberId, key: &str, term: u32, text: &'static str) -> bool {
    let key = ActionKey::new(key, 32).expect("short");
    outbound.enqueue_position(Arc::new(QueuedPosition {
        from,
        key,
        term,
        frame: Bytes::from_static(text.as_bytes()),
    }))
}

fn deliver(outbound: &Outbound, key: &str, term: u32, text: &'static str) {
    let key = ActionKey::new(key, 32).expect("short");
    outbound.deliver(&Arc::new(QueuedPosition {
        from: member(1),
        key,
        term,
        frame: Bytes::from_static(text.as_bytes()),
    }));
}

/// What the task of a connection without a direct way takes.
fn taken(outbound: &Outbound) -> (Vec<Bytes>, Option<CloseReason>) {
    let mut batch = Vec::new();
    while outbound.next(&mut batch) == Ok(Next::Send) {}
    (batch, outbound.closing())
}

/// Takes a set number of bytes; records them.
#[derive(Debug, Default)]
struct ScriptedSocket(Mutex<(usize, Vec<u8>, Option<PeerGone>)>);

impl DirectWrite for ScriptedSocket {
    fn write_now(&self, frames: &[IoSlice<'_>]) -> Result<usize, PeerGone> {
        let (room, read, gone) = &mut *self.0.lock().expect("not poisoned");
        gone.map_or(Ok(()), Err)?;
        let all: Vec<u8> = frames
            .iter()
            .flat_map(|frame| frame.iter().copied())
            .collect();
        let taken = all.len().min(*room);
        *room -= taken;
        read.extend_from_slice(&all[..taken]);
        Ok(taken)
    }
}

impl ScriptedSocket {
    fn takes(&self, bytes: usize) {
        self.0.lock().expect("not poisoned").0 = bytes;
    }

    fn read(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().expect("not poisoned").1))
            .expect("text")
    }
}

/// A queue whose task is idle, with its socket.
fn idle(max_frames: usize, max_bytes: usize) -> (Outbound, Arc<ScriptedSocket>) {
    let (outbound, socket) = (
        Outbound::new(max_frames, max_bytes),
        Arc::<ScriptedSocket>::default(),
    );
    socket.takes(usize::MAX);
    outbound.open(Some(socket.clone()));
    assert_eq!(next(&outbound), Next::Idle);
    (outbound, socket)
}

fn next(outbound: &Outbound) -> Next {
    let mut batch = Vec::new();
    let next = outbound.next(&mut batch).expect("the peer is there");
    assert!(batch.is_empty(), "everything is written directly");
    next
}

async fn is_woken(outbound: &Outbound) -> bool {
    tokio::time::timeout(std::time::Duration::from_millis(1), outbound.ready())
        .await
        .is_ok()
}

#[test]
fn ordered_frames_come_first_and_in_order_and_positions_are_the_newest() {
    let outbound = Outbound::new(10, 100);
    let _ = show(&outbound, member(1), "view", 0, "v1");
    outbound.push(Bytes::from_static(b"a"));
    let _ = show(&outbound, member(1), "pointer", 0, "p1");
    let _ = show(&outbound, member(1), "view", 0, "v2");
    outbound.push(Bytes::from_static(b"b"));
    assert_eq!(
        taken(&outbound),
        (vec!["a".into(), "b".into(), "v2".into(), "p1".into()], None)
    );
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
    assert_eq!(
        taken(&outbound),
        (vec!["quit".into()], Some(CloseReason::Left))
    );
}

#[test]
fn positions_of_a_member_that_is_no_longer_followed_are_dropped() {
    let outbound = Outbound::new(10, 100);
    let _ = show(&outbound, member(1), "view", 0, "1");
    let _ = show(&outbound, member(2), "view", 0, "2");
    outbound.drop_positions_of(member(1));
    assert_eq!(taken(&outbound).0, vec![Bytes::from_static(b"2")]);
}

#[test]
fn positions_of_a_term_that_is_over_are_dropped() {
    let left = |term| {
        let outbound = Outbound::new(10, 100);
        let _ = show(&outbound, member(1), "view", 2, "2");
        let _ = show(&outbound, member(1), "pointer", 3, "3");
        let _ = show(&outbound, member(2), "view", 0, "own");
        outbound.drop_terms_except(term);
        taken(&outbound).0
    };
    assert_eq!(left(Some(3)), ["3", "own"]);
    assert_eq!(left(None), ["own"]);
}

#[test]
fn a_newer_position_has_its_own_term() {
    let outbound = Outbound::new(10, 100);
    let _ = show(&outbound, member(1), "view", 2, "2");
    let _ = show(&outbound, member(1), "view", 3, "3");
    outbound.drop_terms_except(Some(3));
    assert_eq!(taken(&outbound).0, ["3"]);
}

#[tokio::test(start_paused = true)]
async fn an_idle_task_is_not_woken_when_the_socket_takes_everything() {
    let (outbound, socket) = idle(10, 100);
    outbound.push(Bytes::from_static(b"a"));
    assert!(
        outbound.enqueue(Bytes::from_static(b"b")),
        "the first to add must flush"
    );
    assert!(
        !show(&outbound, member(1), "view", 0, "v1"),
        "and no other caller"
    );
    let _ = show(&outbound, member(1), "view", 0, "v2");
    assert_eq!(socket.read(), "a", "what is queued waits for the flush");
    outbound.flush();
    assert_eq!(socket.read(), "bv2");
    assert!(!is_woken(&outbound).await);
}

#[tokio::test(start_paused = true)]
async fn a_lone_position_is_written_directly_and_the_task_writes_the_rest_of_it() {
    for room in 0..=3 {
        let (outbound, socket) = idle(10, 100);
        socket.takes(room);
        deliver(&outbound, "view", 1, "old");
        assert_eq!(is_woken(&outbound).await, room < 3);
        assert_eq!(socket.read(), &"old"[..room]);
        // A newer one replaces it if none of it is written.
        deliver(&outbound, "view", 1, "new");
        assert_eq!(
            socket.read(),
            "",
            "it takes no more, or the task owns the write"
        );
        socket.takes(usize::MAX);
        assert_eq!(next(&outbound), Next::Idle);
        let expected = match room {
            0 => "new",
            begun => ["ldnew", "dnew", "new"][begun - 1],
        };
        assert_eq!(socket.read(), expected, "{room}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_position_does_not_overtake_queued_frames() {
    let (outbound, socket) = idle(10, 100);
    assert!(outbound.enqueue(Bytes::from_static(b"a")));
    deliver(&outbound, "view", 0, "v");
    assert_eq!(socket.read(), "", "another caller flushes");
    outbound.flush();
    assert_eq!(socket.read(), "av");
    assert!(!is_woken(&outbound).await);
}

#[tokio::test(start_paused = true)]
async fn a_position_for_a_gone_peer_or_without_a_direct_way_is_left_to_the_task() {
    let (gone, socket) = idle(10, 100);
    socket.0.lock().expect("not poisoned").2 = Some(PeerGone);
    deliver(&gone, "view", 0, "v");
    assert!(is_woken(&gone).await);
    assert_eq!(gone.next(&mut Vec::new()), Err(PeerGone));
    let indirect = Outbound::new(10, 100);
    indirect.open(None);
    assert_eq!(next(&indirect), Next::Idle);
    deliver(&indirect, "view", 0, "v");
    assert!(is_woken(&indirect).await);
    assert_eq!(taken(&indirect), (vec!["v".into()], None));
}

#[test]
fn a_closing_or_closed_receiver_gets_no_more_positions() {
    let (closing, socket) = idle(10, 100);
    closing.close(CloseReason::Left);
    deliver(&closing, "view", 0, "v");
    assert_eq!(
        (next(&closing), socket.read().as_str()),
        (Next::Close(CloseReason::Left), "")
    );
    let (closed, socket) = idle(10, 100);
    assert!(closed.close_and_drain().is_empty());
    deliver(&closed, "view", 0, "v");
    assert_eq!(
        (closed.close_and_drain(), socket.read().as_str()),
        (Vec::new(), "")
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_socket_does_not_take_is_written_whole_by_the_task() {
    for room in 0..9 {
        let (outbound, socket) = idle(10, 100);
        socket.takes(room);
        let _ = show(&outbound, member(1), "view", 1, "old");
        let _ = show(&outbound, member(1), "pointer", 1, "ptr");
        outbound.push(Bytes::from_static(b"one"));
        assert!(is_woken(&outbound).await);
        let begun = socket.read();
        assert_eq!(begun, &"oneoldptr"[..room]);
        assert_eq!(next(&outbound), Next::Blocked);
        // While the task is the write owner, others only add.
        assert!(
            !show(&outbound, member(1), "view", 2, "new")
                && !outbound.enqueue(Bytes::from_static(b"two"))
        );
        outbound.push(Bytes::from_static(b"six"));
        outbound.drop_terms_except(Some(2));
        outbound.flush();
        assert!(!is_woken(&outbound).await);
        socket.takes(usize::MAX);
        assert_eq!(next(&outbound), Next::Idle);
        let expected = match room {
            0..3 => "onetwosixnew",
            // None of the old one was written: the new one replaces it. The term of the other is
            // over.
            3 => "onetwosixnew",
            4..=6 => "oneoldtwosixnew",
            _ => "oneoldptrtwosixnew",
        };
        assert_eq!(format!("{begun}{}", socket.read()), expected, "{room}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_keeps_only_the_rest_of_a_partly_written_frame() {
    let (outbound, socket) = idle(2, 100);
    socket.takes(2);
    outbound.push(Bytes::from_static(b"begun"));
    assert!(is_woken(&outbound).await);
    for _ in 0..3 {
        outbound.push(Bytes::from_static(b"more"));
    }
    assert_eq!(
        (next(&outbound), outbound.closing()),
        (Next::Blocked, Some(CloseReason::TooSlow))
    );
    assert_eq!(outbound.take_partial(), Some(Bytes::from_static(b"gun")));
    assert_eq!(next(&outbound), Next::Close(CloseReason::TooSlow));
}

#[test]
fn a_round_longer_than_the_bounds_does_not_make_a_reader_slow() {
    let (outbound, socket) = idle(2, 100);
    assert!(
        (0..10)
            .filter(|_| outbound.enqueue(Bytes::from_static(b"x")))
            .count()
            >= 1
    );
    outbound.flush();
    assert_eq!(
        (socket.read().as_str(), outbound.closing()),
        ("xxxxxxxxxx", None)
    );
}

#[tokio::test(start_paused = true)]
async fn a_close_makes_the_task_the_write_owner_and_queued_frames_go_before_it() {
    let (outbound, socket) = idle(10, 100);
    assert!(outbound.enqueue(Bytes::from_static(b"last")));
    outbound.close(CloseReason::Left);
    assert!(is_woken(&outbound).await);
    outbound.flush();
    assert_eq!(socket.read(), "", "the task writes now");
    assert_eq!(next(&outbound), Next::Close(CloseReason::Left));
    assert_eq!(socket.read(), "last");
}

#[tokio::test(start_paused = true)]
async fn the_task_finds_that_a_peer_is_gone_and_a_closed_queue_takes_nothing() {
    let (outbound, socket) = idle(10, 100);
    socket.0.lock().expect("not poisoned").2 = Some(PeerGone);
    outbound.push(Bytes::from_static(b"a"));
    assert!(is_woken(&outbound).await);
    assert_eq!(outbound.next(&mut Vec::new()), Err(PeerGone));
    assert_eq!(outbound.close_and_drain(), ["a"]);
    assert!(!outbound.enqueue(Bytes::from_static(b"b")));
    assert!(outbound.close_and_drain().is_empty());
}

#[test]
fn frames_behind_an_unfinished_replay_are_not_sent_with_the_close_frame() {
    let outbound = Outbound::new(10, 100);
    outbound.push(Bytes::from_static(b"live"));
    assert!(
        outbound.close_and_drain().is_empty(),
        "there would be a gap before it"
    );
    let outbound = Outbound::new(10, 100);
    outbound.open(None);
    outbound.push(Bytes::from_static(b"live"));
    assert_eq!(outbound.close_and_drain(), ["live"]);
}

#[test]
fn each_queued_position_is_written_once_and_in_order() {
    const TEXTS: [&str; 20] = [
        "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r",
        "s", "t",
    ];
    let (outbound, socket) = idle(10, 100);
    for count in [2, 3, 20, 1] {
        socket.takes(1);
        for text in &TEXTS[..count] {
            let _ = show(&outbound, member(1), text, 0, text);
        }
        outbound.flush();
        socket.takes(usize::MAX);
        assert_eq!(next(&outbound), Next::Idle);
        assert_eq!(socket.read(), TEXTS[..count].concat());
    }
}
