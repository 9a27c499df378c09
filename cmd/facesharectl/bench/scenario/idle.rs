//! Connections that say nothing but what keeps them alive.

use crate::bench::args::Idle;
use crate::bench::crowd::{Group, Listen};
use crate::bench::pace::nanos;
use crate::bench::report::{Report, rounded};
use crate::bench::stand::Stand;
use anyhow::{Result, ensure};
use std::time::Duration;

/// Rooms that come before memory is looked at: what the first connections cost a process is not the price of one more.
const FIRST_ROOMS: usize = 10;

#[expect(clippy::cast_precision_loss, reason = "counts of connections and KiB")]
pub(super) fn run(stand: &Stand, what: Idle, warmup: Duration, duration: Duration) -> Result<Report> {
    let rooms = what.connections.div_ceil(what.members);
    ensure!(rooms > FIRST_ROOMS, "more than {FIRST_ROOMS} rooms of {} are needed to tell what one more costs", what.members);
    let mut crowd = stand.crowd(&[Group { rooms, members: what.members, keys: 1, present: false }])?;
    let first = FIRST_ROOMS * what.members;
    let all = crowd.members.len();
    stand.assemble(&mut crowd, 0..first)?;
    let rss_before = stand.resident()?;
    stand.assemble(&mut crowd, first..all)?;

    let begin = crowd.now() + nanos(warmup);
    crowd.run_for(&mut Listen, "warm-up", begin)?;
    let mark = stand.mark(&crowd)?;
    crowd.run_for(&mut Listen, "idling", begin + nanos(duration))?;
    let span = stand.since(mark, &crowd)?;
    let rss_after = stand.resident()?;

    let more = (all - first) as f64;
    let grown = rss_before.zip(rss_after).map(|(before, after)| after.saturating_sub(before) as f64);
    Ok(Report {
        heartbeats: Some(span.heartbeats),
        rss_before_kib: rss_before,
        rss_after_kib: rss_after,
        kib_per_connection: grown.map(|grown| rounded(grown / more)),
        server_cpu_us_per_connection_s: span.server_cpu.map(|cpu| rounded(cpu * 1e6 / span.seconds / all as f64)),
        ..Report::new("idle", &crowd, stand.target, span)
    })
}
