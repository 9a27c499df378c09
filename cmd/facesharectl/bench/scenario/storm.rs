//! All connections drop without a close frame and resume; meanwhile the hosts did something.

use super::join::ArrivalPlan;
use crate::bench::args::Storm;
use crate::bench::clients::{Clients, Group, NoPlan, Target};
use crate::bench::environment::{Environment, settled};
use crate::bench::report::{Latency, Report, rounded};
use crate::bench::schedule::{Schedule, nanos};
use anyhow::{Result, ensure};
use faceshare_api::v1::client_frame::Instruction as ClientInstruction;
use faceshare_api::v1::{FollowMe, follow_me};
use std::time::Duration;

/// Streams that may be opened concurrently: more than a proxy would allow.
const AT_ONCE: usize = 1024;
const HOSTS_HEARD: Duration = Duration::from_secs(30);

#[expect(clippy::cast_precision_loss, reason = "counts of connections")]
pub(super) fn run(environment: &Environment, what: Storm, warmup: Duration) -> Result<Report> {
    ensure!(
        environment.target == Target::Faceshare,
        "a baseline has nothing to come back to"
    );
    let rooms = what.connections.div_ceil(what.members);
    let mut clients = environment.clients(&[Group {
        rooms,
        members: what.members,
        keys: 1,
        present: false,
    }])?;
    let all = clients.members.len();
    environment.assemble(&mut clients, 0..all)?;
    let warm = clients.now() + nanos(warmup);
    clients.run_for(&mut NoPlan, "warm-up", warm)?;

    let missed = drop_all(&mut clients)?;
    let away = clients.now() + nanos(what.away);
    clients.run_for(&mut NoPlan, "away", away)?;

    clients.concurrent_opens = AT_ONCE;
    let begin = clients.now();
    let rate = all as f64 / what.window.as_secs_f64().max(0.001);
    let mut plan = ArrivalPlan {
        members: (0..all).collect(),
        schedule: Schedule::new(1, rate, begin, u64::MAX),
        next: 0,
    };
    clients.measurements.measure(0..u64::MAX);
    let snapshot = environment.snapshot(&clients)?;
    clients.run_until(&mut plan, "back", all, environment.patience, |clients| {
        clients.connected
    })?;
    let back = Duration::from_nanos(clients.now() - begin);
    clients.run_until(
        &mut NoPlan,
        "settling",
        rooms,
        environment.patience,
        settled,
    )?;
    let interval = environment.since(snapshot, &clients)?;

    let resumed = clients
        .members
        .iter()
        .filter(|member| member.resumed)
        .count();
    let behind = clients
        .members
        .iter()
        .filter(|member| member.seq < missed[member.room])
        .count();
    if resumed < all {
        clients
            .measurements
            .record_fault(|| "a member got a snapshot instead of the missed frames".to_owned());
    }
    clients.measurements.faults.lost += (all - resumed + behind) as u64;
    let report = Report {
        latency: Some(Latency::of(&clients.measurements.latency[0])),
        ..Report::new("storm", &clients, environment.target, interval)
    };
    Ok(report
        .with_each("resume", "resumes", resumed as u64, interval)
        .with("window_s", rounded(what.window.as_secs_f64()))
        .with("away_s", rounded(what.away.as_secs_f64()))
        .with("all_back_s", rounded(back.as_secs_f64())))
}

/// Drops the connections of the members, then of the hosts, which act in between; returns the seq
/// that each room has reached.
fn drop_all(clients: &mut Clients) -> Result<Vec<u32>> {
    let hosts: Vec<usize> = clients
        .rooms
        .iter()
        .map(|room| room.members.start)
        .collect();
    let others: Vec<usize> = (0..clients.members.len())
        .filter(|member| !clients.members[*member].host)
        .collect();
    others
        .iter()
        .for_each(|member| clients.drop_connection(*member));
    let now = clients.now();
    for invite in [follow_me::Invite::Ask, follow_me::Invite::Off] {
        for host in &hosts {
            clients.send_instruction(
                *host,
                ClientInstruction::FollowMe(FollowMe {
                    invite: invite.into(),
                    ..FollowMe::default()
                }),
                now,
            );
        }
    }
    let answered = |clients: &Clients| {
        clients
            .members
            .iter()
            .filter(|member| member.host && member.unanswered.is_empty())
            .count()
    };
    clients.run_until(&mut NoPlan, "dropping", hosts.len(), HOSTS_HEARD, answered)?;
    hosts.iter().for_each(|host| clients.drop_connection(*host));
    Ok(hosts
        .iter()
        .map(|host| clients.members[*host].seq)
        .collect())
}
