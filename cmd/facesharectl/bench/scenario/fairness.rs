//! Many quiet sessions, first alone and then next to a large busy one: how much it slows them down.

use super::fanout::{PresentPlan, Presenters, drain};
use crate::bench::args::Fairness;
use crate::bench::clients::{Clients, Group};
use crate::bench::environment::{Environment, Interval};
use crate::bench::report::{Latency, Report};
use crate::bench::schedule::{Schedule, nanos};
use anyhow::{Result, ensure};
use std::time::Duration;

pub(super) fn run(
    environment: &Environment,
    what: Fairness,
    warmup: Duration,
    duration: Duration,
) -> Result<Report> {
    ensure!(
        what.members > 1 && what.quiet_members > 1,
        "a room needs at least one follower"
    );
    let quiet = Group {
        rooms: what.quiet_rooms,
        members: what.quiet_members,
        keys: 1,
        present: true,
    };
    let busy = Group {
        rooms: 1,
        members: what.members,
        keys: 1,
        present: true,
    };
    let mut clients = environment.clients(&[quiet, busy])?;
    let all = 0..clients.members.len();
    environment.assemble(&mut clients, all)?;

    send_positions(environment, &mut clients, what, false, warmup, duration)?;
    let alone = Latency::of(&clients.measurements.latency[0]);
    let interval = send_positions(environment, &mut clients, what, true, warmup, duration)?;
    let (quiet, busy) = (
        Latency::of(&clients.measurements.latency[0]),
        Latency::of(&clients.measurements.latency[1]),
    );
    let report = Report::new("fairness", &clients, environment.target, interval)
        .with_deliveries(interval, interval.deliveries);
    let report = Report {
        rate_per_s: Some(what.rate),
        members: what.members,
        sent: Some(interval.sent),
        ..report
    };
    let report = [("quiet_alone", alone), ("quiet", quiet), ("busy", busy)]
        .into_iter()
        .fold(report, |report, (whose, latency)| {
            report
                .with(&format!("{whose}_latency_p50_ms"), latency.latency_p50_ms)
                .with(&format!("{whose}_latency_p99_ms"), latency.latency_p99_ms)
                .with(&format!("{whose}_latency_p999_ms"), latency.latency_p999_ms)
                .with(&format!("{whose}_latency_max_ms"), latency.latency_max_ms)
        });
    Ok(report
        .with("quiet_rooms", what.quiet_rooms)
        .with("quiet_members", what.quiet_members)
        .with("quiet_rate_per_s", what.quiet_rate))
}

fn send_positions(
    environment: &Environment,
    clients: &mut Clients,
    what: Fairness,
    with_busy: bool,
    warmup: Duration,
    duration: Duration,
) -> Result<Interval> {
    let begin = clients.now();
    let (measured, end) = (begin + nanos(warmup), begin + nanos(warmup + duration));
    let rooms = what.quiet_rooms;
    let mut plan = PresentPlan(vec![Presenters {
        rooms: 0..rooms,
        schedule: Schedule::new(rooms, what.quiet_rate, begin, end),
        burst: 1,
    }]);
    if with_busy {
        plan.0.push(Presenters {
            rooms: rooms..rooms + 1,
            schedule: Schedule::new(1, what.rate, begin, end),
            burst: 1,
        });
    }
    clients.run_for(&mut plan, "warm-up", measured)?;
    clients.measurements.measure(measured..end);
    let snapshot = environment.snapshot(clients)?;
    clients.run_for(&mut plan, if with_busy { "together" } else { "alone" }, end)?;
    let interval = environment.since(snapshot, clients)?;
    drain(clients)?;
    Ok(interval)
}
