//! Two hundred members on bad networks, who drop and resume all the time.

use std::sync::Arc;
use std::time::Duration;

use super::crowd::{all, join_and_connect};
use faceshare_tests::event_log::EventLog;
use faceshare_tests::meeting::Meeting;
use faceshare_tests::random::Random;
use faceshare_tests::reconnecting::{Received, ReconnectingClient};
use faceshare_tests::server::Server;
use faceshare_tests::{DEADLINE, Format};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

const MEMBERS: usize = 200;
/// How long the members drop and resume.
const SPAN: Duration = Duration::from_secs(30);
/// Pause between two instructions of a member, in milliseconds. All members together send twenty a
/// second, each of which goes to two hundred members. Two busy cores can still deliver that.
const PAUSE: (u64, u64) = (5_000, 15_000);
/// How long each connection lasts, and the time until the next one, in milliseconds. Some of the
/// pauses are longer than the debounce, so the loss is announced.
const CONNECTED: (u64, u64) = (3_000, 10_000);
const AWAY: (u64, u64) = (0, 1_500);

/// A random instruction. Two of thirty are about presenting, which changes the edge of every
/// member.
fn random_instruction(random: &mut Random, members: &[String]) -> Value {
    match random.below(30) {
        0 => json!({"followMe": {"invite": random.pick(&["ON", "ASK", "OFF"])}}),
        1 => json!({"cancelFollowMe": {}}),
        2..10 => json!({"cancelFollow": {}}),
        10..14 => json!({"cancelFollow": {"suspend": "PAGE"}}),
        _ => json!({"followOther": {"target": random.pick(members)}}),
    }
}

/// Drops and resumes, sends and receives until `until`. It does not wait for answers: an
/// instruction may be refused or lost.
async fn drop_and_resume(
    mut client: ReconnectingClient,
    mut random: Random,
    members: Arc<Vec<String>>,
    until: Instant,
) -> ReconnectingClient {
    let mut drop_at = Instant::now() + random.millis(0, CONNECTED.1);
    let mut send_at = Instant::now() + random.millis(0, PAUSE.1);
    while Instant::now() < until {
        tokio::select! {
            received = client.next() => if matches!(received, Received::Lost) { client.connect().await },
            () = sleep_until(until) => {}
            () = sleep_until(drop_at) => {
                client.cut();
                sleep_until(Instant::now() + random.millis(AWAY.0, AWAY.1)).await;
                client.connect().await;
                drop_at = Instant::now() + random.millis(CONNECTED.0, CONNECTED.1);
            }
            () = sleep_until(send_at) => {
                client.send(&random_instruction(&mut random, &members)).await;
                send_at = Instant::now() + random.millis(PAUSE.0, PAUSE.1);
            }
        }
    }
    client
}

/// Reads until the client has received the seq `head`.
async fn catch_up(mut client: ReconnectingClient, head: u64) -> ReconnectingClient {
    client.catch_up(head).await;
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_members_drop_and_resume_and_all_see_the_same() {
    let mut random = Random::from_env_or_new();
    // The graces are long, so that no member is removed: this test is about the order of the
    // frames.
    let settings = [
        ("member.debounce", "1s"),
        ("member.grace", "5m"),
        ("member.background_grace", "10m"),
    ];
    let server = Server::start_with(&settings).await;
    let mut meeting = Meeting::created(server, Format::Proto, json!({})).await;
    let event_log = EventLog::new();
    let clients = join_and_connect(&mut meeting, MEMBERS, &event_log).await;
    let members = Arc::new(
        clients
            .iter()
            .map(|client| client.member.clone())
            .collect::<Vec<_>>(),
    );
    let first = clients[0].seq;

    let until = Instant::now() + SPAN;
    let mut tasks = JoinSet::new();
    for client in clients {
        tasks.spawn(drop_and_resume(
            client,
            random.fork(),
            members.clone(),
            until,
        ));
    }
    let mut clients = all(tasks).await;

    // The seq of an acknowledged instruction is after all that was sent before it.
    let head = clients[0]
        .ask(random.any(), json!({"cancelFollow": {}}))
        .await["ack"]["seq"]
        .as_u64()
        .expect("it is acknowledged");
    let mut catching_up = JoinSet::new();
    for client in clients {
        catching_up.spawn(catch_up(client, head));
    }
    let clients = timeout(DEADLINE, all(catching_up))
        .await
        .expect("all clients catch up");

    // The client and the event log have checked each frame: every client received each seq once
    // from its welcome on, and the same frame as the others. The rest checks that all clients were
    // there, resumed often and received enough.
    let order = event_log.after(first);
    let connections: u32 = clients.iter().map(|client| client.connections).sum();
    eprintln!("{} frames, {connections} connections", order.len());
    assert_eq!(clients.len(), MEMBERS);
    assert!(clients.iter().all(|client| client.seq >= head));
    assert!(
        connections as usize > 2 * MEMBERS,
        "{connections} connections"
    );
    assert!(
        order
            .iter()
            .any(|frame| frame.get("memberChange").is_some()),
        "a loss longer than the debounce is announced"
    );
    assert!(
        order
            .iter()
            .filter(|frame| frame.get("followChange").is_some())
            .count()
            > MEMBERS / 4
    );
}
