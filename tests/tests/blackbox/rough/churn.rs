//! A full room on a bad network.

use std::sync::Arc;
use std::time::Duration;

use super::crowd::{all, gather};
use faceshare_tests::chance::Chance;
use faceshare_tests::ledger::Ledger;
use faceshare_tests::meeting::Meeting;
use faceshare_tests::server::Server;
use faceshare_tests::traveller::{Traveller, Turn};
use faceshare_tests::{DEADLINE, Format};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

const MEMBERS: usize = 200;
/// How long they drop and come back.
const SPAN: Duration = Duration::from_secs(30);
/// How often each member says something, in milliseconds: so that all together say twenty things a second, each of which two
/// hundred are told of, which two busy cores still manage.
const PAUSE: (u64, u64) = (5_000, 15_000);
/// How long each connection lasts, and the time until the next; some of that is beyond the debounce, and is announced.
const CONNECTED: (u64, u64) = (3_000, 10_000);
const AWAY: (u64, u64) = (0, 1_500);

/// One in thirty says something about presenting, which changes everybody's edge.
fn something_to_say(chance: &mut Chance, members: &[String]) -> Value {
    match chance.below(30) {
        0 => json!({"followMe": {"invite": chance.pick(&["ON", "ASK", "OFF"])}}),
        1 => json!({"cancelFollowMe": {}}),
        2..10 => json!({"cancelFollow": {}}),
        10..14 => json!({"cancelFollow": {"suspend": "PAGE"}}),
        _ => json!({"followOther": {"target": chance.pick(members)}}),
    }
}

/// Drops and resumes, speaks and listens. What it says is not answered: it may be refused, or lost.
async fn wander(
    mut traveller: Traveller,
    mut chance: Chance,
    members: Arc<Vec<String>>,
    until: Instant,
) -> Traveller {
    let mut drop_at = Instant::now() + chance.millis(0, CONNECTED.1);
    let mut speak_at = Instant::now() + chance.millis(0, PAUSE.1);
    while Instant::now() < until {
        tokio::select! {
            turn = traveller.next() => if matches!(turn, Turn::Lost) { traveller.connect().await },
            () = sleep_until(until) => {}
            () = sleep_until(drop_at) => {
                traveller.cut();
                sleep_until(Instant::now() + chance.millis(AWAY.0, AWAY.1)).await;
                traveller.connect().await;
                drop_at = Instant::now() + chance.millis(CONNECTED.0, CONNECTED.1);
            }
            () = sleep_until(speak_at) => {
                traveller.send(&something_to_say(&mut chance, &members)).await;
                speak_at = Instant::now() + chance.millis(PAUSE.0, PAUSE.1);
            }
        }
    }
    traveller
}

/// Reads on, so that nobody is too slow, until the head is known and seen.
async fn arrive(mut traveller: Traveller, head: u64) -> Traveller {
    traveller.catch_up(head).await;
    traveller
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_members_drop_and_resume_and_all_see_the_same() {
    let mut chance = Chance::announced();
    // Places are kept: this is about the order that everybody sees, and nobody is to be gone from it.
    let settings = [
        ("member.debounce", "1s"),
        ("member.grace", "5m"),
        ("member.background_grace", "10m"),
    ];
    let server = Server::start_with(&settings).await;
    let mut meeting = Meeting::created(server, Format::Proto, json!({})).await;
    let ledger = Ledger::new();
    let travellers = gather(&mut meeting, MEMBERS, &ledger).await;
    let members = Arc::new(
        travellers
            .iter()
            .map(|traveller| traveller.member.clone())
            .collect::<Vec<_>>(),
    );
    let first = travellers[0].seq;

    let until = Instant::now() + SPAN;
    let mut wandering = JoinSet::new();
    for traveller in travellers {
        wandering.spawn(wander(traveller, chance.fork(), members.clone(), until));
    }
    let mut travellers = all(wandering).await;

    // An instruction that is acknowledged stands at the head: whatever was said before it comes before it.
    let head = travellers[0]
        .ask(chance.any(), json!({"cancelFollow": {}}))
        .await["ack"]["seq"]
        .as_u64()
        .expect("it is acknowledged");
    let mut arriving = JoinSet::new();
    for traveller in travellers {
        arriving.spawn(arrive(traveller, head));
    }
    let travellers = timeout(DEADLINE, all(arriving))
        .await
        .expect("everybody catches up");

    // Each saw every seq once from its own welcome on, and the same frame in it as everybody else: the traveller and the ledger have
    // looked at each frame as it came. What is left is that they all were there, came back often, and had something to see.
    let order = ledger.after(first);
    let connections: u32 = travellers
        .iter()
        .map(|traveller| traveller.connections)
        .sum();
    eprintln!("{} frames, {connections} connections", order.len());
    assert_eq!(travellers.len(), MEMBERS);
    assert!(travellers.iter().all(|traveller| traveller.seq >= head));
    assert!(
        connections as usize > 2 * MEMBERS,
        "{connections} connections"
    );
    assert!(
        order
            .iter()
            .any(|frame| frame.get("memberChange").is_some()),
        "a loss beyond the debounce is told"
    );
    assert!(
        order
            .iter()
            .filter(|frame| frame.get("followChange").is_some())
            .count()
            > MEMBERS / 4
    );
}
