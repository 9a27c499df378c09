//! Servers that restart while members send instructions.

use std::collections::BTreeMap;

use super::crowd::{all, join_and_connect};
use faceshare_tests::Format;
use faceshare_tests::event_log::EventLog;
use faceshare_tests::meeting::Meeting;
use faceshare_tests::random::Random;
use faceshare_tests::reconnecting::{Received, ReconnectingClient};
use faceshare_tests::server::Server;
use faceshare_tests::socket::{name, seq};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

const MEMBERS: usize = 20;
const RESTARTS: usize = 3;
/// Ordered frames between two restarts, besides those that the restart itself causes.
const PROGRESS: u64 = 150;
/// Pause between two instructions of one member, in milliseconds.
const PAUSE: (u64, u64) = (20, 200);

/// How the test stops the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Kill,
    Terminate,
}

/// Alternates between following and not following the host. It sends each instruction until it is
/// answered, and receives in between. Each instruction changes the session, so each has one frame.
/// Returns the acknowledged seqs.
async fn follow_and_unfollow(
    mut member: ReconnectingClient,
    host: String,
    mut random: Random,
    stop: watch::Receiver<bool>,
) -> (ReconnectingClient, Vec<u64>) {
    let mut acknowledged = Vec::new();
    while !*stop.borrow() {
        let follow = acknowledged.len() % 2 == 0;
        let instruction = if follow {
            json!({"followOther": {"target": host}})
        } else {
            json!({"cancelFollow": {}})
        };
        let answer = member.ask(random.any() | 1, instruction).await;
        acknowledged.push(
            answer["ack"]["seq"]
                .as_u64()
                .unwrap_or_else(|| panic!("refused: {answer}")),
        );
        let resume_at = Instant::now() + random.millis(PAUSE.0, PAUSE.1);
        while Instant::now() < resume_at {
            tokio::select! {
                received = member.next() => if matches!(received, Received::Lost) { member.connect().await },
                () = sleep_until(resume_at) => {}
            }
        }
    }
    (member, acknowledged)
}

async fn restart(meeting: &mut Meeting, stop: Stop) {
    match stop {
        Stop::Kill => meeting.server.kill().await,
        Stop::Terminate => {
            meeting.server.terminate().await;
            let status = meeting.server.exit().await;
            assert!(status.success(), "{status}");
        }
    }
    meeting.server.restart().await;
}

async fn each_acknowledged_instruction_has_one_frame(how: Stop) {
    let mut random = Random::from_env_or_new();
    let settings = [
        ("member.debounce", "5s"),
        ("member.grace", "5m"),
        ("member.background_grace", "10m"),
    ];
    let server = Server::start_with(&settings).await;
    let mut meeting = Meeting::created(server, Format::Proto, json!({})).await;
    let event_log = EventLog::new();
    let mut members = join_and_connect(&mut meeting, MEMBERS, &event_log).await;
    let mut host = members.remove(0);
    let start = host.seq;

    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    for member in members {
        tasks.spawn(follow_and_unfollow(
            member,
            host.member.clone(),
            random.fork(),
            stopped.clone(),
        ));
    }
    for _ in 0..RESTARTS {
        event_log.until(event_log.head() + PROGRESS).await;
        restart(&mut meeting, how).await;
    }
    event_log.until(event_log.head() + PROGRESS).await;
    stop.send(true).expect("they listen");
    let members = all(tasks).await;

    let head = event_log.head();
    host.catch_up(head).await;
    let mut sent: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for frame in event_log
        .after(start)
        .iter()
        .filter(|frame| matches!(name(frame), "followOther" | "cancelFollow"))
    {
        sent.entry(
            frame["from"]
                .as_str()
                .expect("an ordered frame has a sender")
                .to_owned(),
        )
        .or_default()
        .push(seq(frame));
    }
    for (mut member, acknowledged) in members {
        member.catch_up(head).await;
        assert_eq!(
            member.connections as usize,
            RESTARTS + 1,
            "only the restarts cut the connection"
        );
        assert_eq!(
            sent.get(&member.member),
            Some(&acknowledged),
            "each acknowledged instruction has its one frame, and no other has any"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_keeps_each_acknowledged_instruction_and_applies_none_twice() {
    each_acknowledged_instruction_has_one_frame(Stop::Kill).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminated_server_keeps_each_acknowledged_instruction_and_applies_none_twice() {
    each_acknowledged_instruction_has_one_frame(Stop::Terminate).await;
}
