//! Servers that end in the middle of everything.

use std::collections::BTreeMap;

use super::crowd::{all, gather};
use faceshare_tests::Format;
use faceshare_tests::chance::Chance;
use faceshare_tests::ledger::Ledger;
use faceshare_tests::meeting::Meeting;
use faceshare_tests::server::Server;
use faceshare_tests::socket::{name, seq};
use faceshare_tests::traveller::{Traveller, Turn};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

const MEMBERS: usize = 20;
const RESTARTS: usize = 3;
/// So many frames come between two restarts, beside those that tell of the restart itself.
const PROGRESS: u64 = 150;
/// Between two instructions of one member, in milliseconds.
const PAUSE: (u64, u64) = (20, 200);

/// How the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Killed,
    Asked,
}

/// Follows the host and lets go again, in turns, each instruction until it is answered; listens in between. Each of them changes something,
/// so each of them has one frame. Gives the seqs that were acknowledged.
async fn talk(
    mut member: Traveller,
    host: String,
    mut chance: Chance,
    stop: watch::Receiver<bool>,
) -> (Traveller, Vec<u64>) {
    let mut acknowledged = Vec::new();
    while !*stop.borrow() {
        let follow = acknowledged.len() % 2 == 0;
        let instruction = if follow {
            json!({"followOther": {"target": host}})
        } else {
            json!({"cancelFollow": {}})
        };
        let answer = member.ask(chance.any() | 1, instruction).await;
        acknowledged.push(
            answer["ack"]["seq"]
                .as_u64()
                .unwrap_or_else(|| panic!("refused: {answer}")),
        );
        let go_on = Instant::now() + chance.millis(PAUSE.0, PAUSE.1);
        while Instant::now() < go_on {
            tokio::select! {
                turn = member.next() => if matches!(turn, Turn::Lost) { member.connect().await },
                () = sleep_until(go_on) => {}
            }
        }
    }
    (member, acknowledged)
}

async fn restart(meeting: &mut Meeting, end: End) {
    match end {
        End::Killed => meeting.server.kill().await,
        End::Asked => {
            meeting.server.terminate().await;
            let status = meeting.server.exit().await;
            assert!(status.success(), "{status}");
        }
    }
    meeting.server.restart().await;
}

async fn nothing_is_lost_and_nothing_happens_twice(end: End) {
    let mut chance = Chance::announced();
    let settings = [
        ("member.debounce", "5s"),
        ("member.grace", "5m"),
        ("member.background_grace", "10m"),
    ];
    let server = Server::start_with(&settings).await;
    let mut meeting = Meeting::created(server, Format::Proto, json!({})).await;
    let ledger = Ledger::new();
    let mut members = gather(&mut meeting, MEMBERS, &ledger).await;
    let mut host = members.remove(0);
    let start = host.seq;

    let (stop, stopped) = watch::channel(false);
    let mut talking = JoinSet::new();
    for member in members {
        talking.spawn(talk(
            member,
            host.member.clone(),
            chance.fork(),
            stopped.clone(),
        ));
    }
    for _ in 0..RESTARTS {
        ledger.until(ledger.head() + PROGRESS).await;
        restart(&mut meeting, end).await;
    }
    ledger.until(ledger.head() + PROGRESS).await;
    stop.send(true).expect("they listen");
    let members = all(talking).await;

    let head = ledger.head();
    host.catch_up(head).await;
    let mut said: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for frame in ledger
        .after(start)
        .iter()
        .filter(|frame| matches!(name(frame), "followOther" | "cancelFollow"))
    {
        said.entry(frame["from"].as_str().expect("it is somebody's").to_owned())
            .or_default()
            .push(seq(frame));
    }
    for (mut member, acknowledged) in members {
        member.catch_up(head).await;
        assert_eq!(
            member.connections as usize,
            RESTARTS + 1,
            "cut off by nothing but the restarts"
        );
        assert_eq!(
            said.get(&member.member),
            Some(&acknowledged),
            "each acknowledged instruction has its one frame, and no other has any"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_mid_traffic_loses_nothing_acknowledged_and_does_nothing_twice() {
    nothing_is_lost_and_nothing_happens_twice(End::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_asked_to_end_in_mid_traffic_loses_nothing_acknowledged_and_does_nothing_twice() {
    nothing_is_lost_and_nothing_happens_twice(End::Asked).await;
}
