//! Fan-out at a rate that grows step by step, until a limit is reached: latency, loss or a full
//! processor.

use super::fanout::{PresentPlan, Presenters, drain};
use crate::bench::args::{ACTIONS_MAX, Saturate};
use crate::bench::clients::{Clients, Group};
use crate::bench::environment::{Environment, Interval};
use crate::bench::report::{Latency, Report, rounded};
use crate::bench::schedule::{Schedule, nanos};
use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use std::time::Duration;

/// Time under the new rate before the measurement begins.
const SETTLE: Duration = Duration::from_secs(1);
/// A processor of which this fraction is used counts as full.
const FULL: f64 = 0.98;

/// One rate and its result.
struct Step {
    rate: f64,
    interval: Interval,
    latency: Latency,
    /// Which limit was exceeded, if any.
    broke: Option<&'static str>,
}

#[expect(clippy::cast_precision_loss, reason = "limits are small")]
pub(super) fn run(environment: &Environment, what: Saturate, each: Duration) -> Result<Report> {
    ensure!(
        what.members > 1 && what.factor > 1.0 && what.rate > 0.0,
        "a room needs at least one follower, and the rate must grow"
    );
    let mut clients = environment.clients(&[Group {
        rooms: what.rooms,
        members: what.members,
        keys: 1,
        present: true,
    }])?;
    let all = 0..clients.members.len();
    environment.assemble(&mut clients, all)?;
    let (mut rate, mut steps) = (what.rate, Vec::new());
    let limit = loop {
        if rate > ACTIONS_MAX as f64 {
            break "rate";
        }
        let step = step(environment, &mut clients, what, rate, each)?;
        let broke = step.broke;
        steps.push(step);
        if let Some(broke) = broke {
            break broke;
        }
        rate *= what.factor;
    };
    drain(&mut clients)?;

    let best = steps
        .iter()
        .rev()
        .find(|step| step.broke.is_none())
        .or(steps.first())
        .context("invariant: at least one step")?;
    let report = Report::new("saturate", &clients, environment.target, best.interval)
        .with_deliveries(best.interval, best.interval.deliveries);
    let report = Report {
        rate_per_s: Some(rounded(best.rate)),
        sent: Some(best.interval.sent),
        latency: Some(best.latency),
        ..report
    };
    Ok(report
        .with("limit", limit)
        .with("sustained", best.broke.is_none())
        .with("steps", steps.iter().map(step_as_json).collect::<Vec<_>>()))
}

fn step(
    environment: &Environment,
    clients: &mut Clients,
    what: Saturate,
    rate: f64,
    each: Duration,
) -> Result<Step> {
    let begin = clients.now();
    let (measured, end) = (begin + nanos(SETTLE), begin + nanos(SETTLE + each));
    let presenters = Presenters {
        rooms: 0..what.rooms,
        schedule: Schedule::new(what.rooms, rate, begin, end),
        burst: 1,
    };
    let mut plan = PresentPlan(vec![presenters]);
    clients.run_for(&mut plan, "settling", measured)?;
    clients.measurements.measure(measured..end);
    let snapshot = environment.snapshot(clients)?;
    clients.run_for(&mut plan, "sending", end)?;
    let interval = environment.since(snapshot, clients)?;
    let latency = Latency::of(&clients.measurements.latency[0]);
    Ok(Step {
        rate,
        interval,
        latency,
        broke: broke(what, rate, interval, latency),
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts of seconds")]
fn broke(what: Saturate, rate: f64, interval: Interval, latency: Latency) -> Option<&'static str> {
    let expected = rate * interval.seconds * (what.rooms * (what.members - 1)) as f64;
    let arrived = interval.deliveries as f64;
    if interval.own_cpu / interval.seconds > FULL {
        Some("generator")
    } else if interval
        .server_cpu
        .is_some_and(|cpu| cpu / interval.seconds > FULL * what.cores)
    {
        Some("cpu")
    } else if latency.latency_p99_ms > what.p99 {
        Some("latency")
    } else if arrived < expected * (1.0 - what.loss) {
        Some("loss")
    } else {
        None
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of seconds")]
fn step_as_json(step: &Step) -> serde_json::Value {
    json!({
        "rate_per_s": rounded(step.rate),
        "deliveries_per_s": rounded(step.interval.deliveries as f64 / step.interval.seconds),
        "server_cores": step.interval.server_cpu.map(|cpu| rounded(cpu / step.interval.seconds)),
        "generator_cores": rounded(step.interval.own_cpu / step.interval.seconds),
        "latency_p99_ms": step.latency.latency_p99_ms,
        "broke": step.broke,
    })
}
