//! Clients that stop reading, such as a sleeping phone or a closed laptop.

use std::time::Duration;

use faceshare_tests::meeting::Meeting;
use faceshare_tests::socket::{Socket, seq};
use faceshare_tests::terminal::Terminal;
use faceshare_tests::{DEADLINE, Format};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, interval, timeout};

/// How long the reader is stopped at least.
const STOPPED: Duration = Duration::from_secs(20);
/// Titles of 4 KB, which fill the system's socket buffers within seconds.
const TITLE: usize = 990;

/// The meeting, and a terminal in it that has read its welcome. Heartbeats are rare: only its queue
/// is to close it.
async fn with_reader(settings: &[(&str, &str)]) -> (Meeting, Vec<Socket>, Terminal) {
    let calm = [
        ("heartbeat.interval", "5m"),
        ("heartbeat.timeout", "10m"),
        ("member.debounce", "100ms"),
        ("limits.title", "1000"),
    ];
    let settings = [&calm, settings].concat();
    let (meeting, mut sockets) = Meeting::with(Format::Proto, 3, &settings, json!({})).await;
    let reader = Terminal::open(
        &meeting.server,
        &["join", &meeting.code, "--json", "--nickname", "reader"],
    );
    for socket in &mut sockets {
        socket.expect("memberJoin").await;
    }
    reader.log.line(|line| line["welcome"].is_object()).await;
    (meeting, sockets, reader)
}

/// Changes the title, which is one ordered frame of its length. All clients but the reader must
/// receive it.
async fn retitle(meeting: &Meeting, sockets: &mut [Socket], title: &str) {
    meeting
        .http
        .patch(
            &meeting.path(""),
            meeting.access(0),
            json!({"title": title}),
        )
        .await
        .ok(200);
    for socket in sockets {
        socket
            .until_matching(|frame| frame["sessionChange"]["faceSession"]["title"] == title)
            .await;
    }
}

/// How many receivers the server has closed as too slow.
async fn too_slow(meeting: &Meeting) -> u64 {
    let metrics = meeting
        .http
        .request(Method::GET, "/metrics")
        .send()
        .await
        .expect("metrics")
        .text()
        .await
        .expect("text");
    let value = metrics
        .lines()
        .find_map(|line| line.strip_prefix("faceshare_stream_slow_receivers_total "));
    value.map_or(0, |value| value.parse().expect("a number"))
}

/// Changes titles until the server closes a slow receiver. The others must receive every frame.
async fn until_too_slow(meeting: &Meeting, sockets: &mut [Socket]) {
    let filling = async {
        let mut round = 0_u64;
        while !round.is_multiple_of(25) || too_slow(meeting).await == 0 {
            round += 1;
            retitle(
                meeting,
                sockets,
                &format!("{round} {}", "\u{1d53b}".repeat(TITLE)),
            )
            .await;
        }
    };
    timeout(2 * DEADLINE, filling)
        .await
        .expect("the queue overflows");
}

fn frames(reader: &Terminal) -> Vec<Value> {
    reader
        .log
        .lines()
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// Checks that the frames that a reader printed have no gap and no repeat; a snapshot may replace
/// missed frames. Returns how often it connected, and its last seq.
fn chain(frames: &[Value]) -> (usize, u64) {
    let (mut connections, mut last) = (0, 0);
    for frame in frames {
        let welcome = &frame["welcome"];
        if welcome.is_object() {
            connections += 1;
            if welcome["resumed"] != true {
                last = welcome["seq"].as_u64().unwrap_or_default();
            }
        } else if seq(frame) > 0 {
            assert_eq!(seq(frame), last + 1, "a gap or a repeat: {frame}");
            last = seq(frame);
        }
    }
    (connections, last)
}

/// Whether the reader has received this title, in a frame or in a snapshot.
async fn seen_by(reader: &Terminal, title: &str) {
    let snapshot = |line: &Value| line["welcome"]["snapshot"]["faceSession"]["title"] == title;
    reader
        .log
        .line(|line| line["sessionChange"]["faceSession"]["title"] == title || snapshot(line))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_reader_is_closed_resumes_and_does_not_delay_others() {
    let bounds = [
        ("limits.queue_frames", "16"),
        ("limits.queue_bytes", "65536"),
        ("limits.frame_out", "65536"),
    ];
    let (meeting, mut sockets, reader) = with_reader(&bounds).await;
    reader.signal("STOP").await;
    let stopped = Instant::now();
    until_too_slow(&meeting, &mut sockets).await;
    let mut pace = interval(Duration::from_millis(50));
    while stopped.elapsed() < STOPPED {
        pace.tick().await;
        let target = sockets[0].member().to_owned();
        let said = sockets[1]
            .acked(json!({"followOther": {"target": target}}))
            .await;
        sockets[1].acked(json!({"cancelFollow": {}})).await;
        for socket in &mut sockets {
            socket.catch_up(said + 3).await;
        }
    }
    let lost = |frame: &Value| {
        frame["memberChange"]["member"]["nickname"] == "reader"
            && frame["memberChange"]["member"].get("online").is_none()
    };
    assert!(
        sockets[2].log.iter().any(lost),
        "the others were told that it is gone"
    );

    reader.signal("CONT").await;
    retitle(&meeting, &mut sockets, "the end").await;
    seen_by(&reader, "the end").await;
    let (connections, last) = chain(&frames(&reader));
    assert!(connections > 1, "it came back on another connection");
    assert!(
        last >= sockets[0]
            .log
            .iter()
            .rev()
            .find(|frame| frame.get("sessionChange").is_some())
            .map_or(0, seq)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stops_within_the_bounds_gets_everything_on_the_same_connection() {
    let (meeting, mut sockets, reader) = with_reader(&[]).await;
    reader.signal("STOP").await;
    let target = sockets[0].member().to_owned();
    // No more at once than the burst of all members.
    for _ in 0..45 {
        sockets[1]
            .acked(json!({"followOther": {"target": target}}))
            .await;
        sockets[1].acked(json!({"cancelFollow": {}})).await;
    }
    let head = sockets[1].seq;
    for socket in &mut sockets {
        socket.catch_up(head).await;
    }
    assert_eq!(too_slow(&meeting).await, 0);
    reader.signal("CONT").await;
    reader.log.line(|line| seq(line) == head).await;
    let frames = frames(&reader);
    assert_eq!(chain(&frames), (1, head));
    let of_reader: Vec<_> = frames.into_iter().filter(|frame| seq(frame) > 0).collect();
    let of_others = &sockets[0].log[sockets[0].log.len() - of_reader.len()..];
    assert_eq!(
        (of_reader.len() > 150, of_reader.as_slice()),
        (true, of_others),
        "the same frames"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_is_closed_with_the_reason() {
    let bounds = [
        ("limits.queue_frames", "16"),
        ("limits.queue_bytes", "65536"),
        ("limits.frame_out", "65536"),
    ];
    let (mut meeting, mut sockets, _reader) = with_reader(&bounds).await;
    meeting.admit("slow").await;
    let mut slow = meeting.connect(3).await;
    for socket in &mut sockets {
        socket.expect("memberJoin").await;
    }
    until_too_slow(&meeting, &mut sockets).await;
    let (code, missed) = slow.close().await;
    assert_eq!(
        (code, missed.is_empty()),
        (1013, false),
        "what was on its way still comes, in order, and then the close"
    );
    let back = meeting.resume(3, slow.epoch(), slow.seq).await;
    assert!(back.welcome["seq"].as_u64() > Some(slow.seq));
}
