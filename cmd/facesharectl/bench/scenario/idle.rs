//! Connections that send only heartbeats.

use crate::bench::args::Idle;
use crate::bench::clients::{Group, NoPlan};
use crate::bench::environment::Environment;
use crate::bench::report::{Report, rounded};
use crate::bench::schedule::nanos;
use anyhow::{Result, ensure};
use std::time::Duration;

/// Rooms that connect before memory is first measured: the first connections cost a process more
/// than later ones.
const FIRST_ROOMS: usize = 10;

#[expect(clippy::cast_precision_loss, reason = "counts of connections and KiB")]
pub(super) fn run(
    environment: &Environment,
    what: Idle,
    warmup: Duration,
    duration: Duration,
) -> Result<Report> {
    let rooms = what.connections.div_ceil(what.members);
    ensure!(
        rooms > FIRST_ROOMS,
        "more than {FIRST_ROOMS} rooms of {} are needed to tell what one more costs",
        what.members
    );
    let mut clients = environment.clients(&[Group {
        rooms,
        members: what.members,
        keys: 1,
        present: false,
    }])?;
    let first = FIRST_ROOMS * what.members;
    let all = clients.members.len();
    environment.assemble(&mut clients, 0..first)?;
    let rss_before = environment.resident()?;
    environment.assemble(&mut clients, first..all)?;

    let begin = clients.now() + nanos(warmup);
    clients.run_for(&mut NoPlan, "warm-up", begin)?;
    let snapshot = environment.snapshot(&clients)?;
    clients.run_for(&mut NoPlan, "idling", begin + nanos(duration))?;
    let interval = environment.since(snapshot, &clients)?;
    let rss_after = environment.resident()?;

    let more = (all - first) as f64;
    let grown = rss_before
        .zip(rss_after)
        .map(|(before, after)| after.saturating_sub(before) as f64);
    Ok(Report {
        heartbeats: Some(interval.heartbeats),
        rss_before_kib: rss_before,
        rss_after_kib: rss_after,
        kib_per_connection: grown.map(|grown| rounded(grown / more)),
        server_cpu_us_per_connection_s: interval
            .server_cpu
            .map(|cpu| rounded(cpu * 1e6 / interval.seconds / all as f64)),
        ..Report::new("idle", &clients, environment.target, interval)
    })
}
