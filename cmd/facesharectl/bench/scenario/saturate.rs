//! Fan-out at a rate that grows step by step, until latency, loss or a full processor says that it is enough.

use super::fanout::{Presenters, Showing, drain};
use crate::bench::args::{MOST_ACTIONS, Saturate};
use crate::bench::crowd::{Crowd, Group};
use crate::bench::pace::{Pace, nanos};
use crate::bench::report::{Latency, Report, rounded};
use crate::bench::stand::{Span, Stand};
use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use std::time::Duration;

/// Under the new rate, but not measured yet.
const SETTLE: Duration = Duration::from_secs(1);
/// A processor of which so much is used is full.
const FULL: f64 = 0.98;

/// One rate and what came of it.
struct Step {
    rate: f64,
    span: Span,
    latency: Latency,
    /// Why it was too much.
    broke: Option<&'static str>,
}

#[expect(clippy::cast_precision_loss, reason = "limits are small")]
pub(super) fn run(stand: &Stand, what: Saturate, each: Duration) -> Result<Report> {
    ensure!(what.members > 1 && what.factor > 1.0 && what.rate > 0.0, "a room needs somebody who follows, and the rate must grow");
    let mut crowd = stand.crowd(&[Group { rooms: what.rooms, members: what.members, keys: 1, present: true }])?;
    let everybody = 0..crowd.members.len();
    stand.assemble(&mut crowd, everybody)?;
    let (mut rate, mut steps) = (what.rate, Vec::new());
    let limit = loop {
        if rate > MOST_ACTIONS as f64 {
            break "rate";
        }
        let step = step(stand, &mut crowd, what, rate, each)?;
        let broke = step.broke;
        steps.push(step);
        if let Some(broke) = broke {
            break broke;
        }
        rate *= what.factor;
    };
    drain(&mut crowd)?;

    let best = steps.iter().rev().find(|step| step.broke.is_none()).or(steps.first()).context("invariant: at least one step")?;
    let report = Report::new("saturate", &crowd, stand.target, best.span).with_deliveries(best.span, best.span.deliveries);
    let report = Report { rate_per_s: Some(rounded(best.rate)), sent: Some(best.span.sent), latency: Some(best.latency), ..report };
    Ok(report.with("limit", limit).with("sustained", best.broke.is_none()).with("steps", steps.iter().map(told).collect::<Vec<_>>()))
}

fn step(stand: &Stand, crowd: &mut Crowd, what: Saturate, rate: f64, each: Duration) -> Result<Step> {
    let begin = crowd.now();
    let (measured, end) = (begin + nanos(SETTLE), begin + nanos(SETTLE + each));
    let presenters = Presenters { rooms: 0..what.rooms, pace: Pace::new(what.rooms, rate, begin, end), burst: 1 };
    let mut showing = Showing(vec![presenters]);
    crowd.run_for(&mut showing, "settling", measured)?;
    crowd.tally.measure(measured..end);
    let mark = stand.mark(crowd)?;
    crowd.run_for(&mut showing, "showing", end)?;
    let span = stand.since(mark, crowd)?;
    let latency = Latency::of(&crowd.tally.latency[0]);
    Ok(Step { rate, span, latency, broke: broke(what, rate, span, latency) })
}

#[expect(clippy::cast_precision_loss, reason = "counts of seconds")]
fn broke(what: Saturate, rate: f64, span: Span, latency: Latency) -> Option<&'static str> {
    let expected = rate * span.seconds * (what.rooms * (what.members - 1)) as f64;
    let came = span.deliveries as f64;
    if span.own_cpu / span.seconds > FULL {
        Some("generator")
    } else if span.server_cpu.is_some_and(|cpu| cpu / span.seconds > FULL * what.cores) {
        Some("cpu")
    } else if latency.latency_p99_ms > what.p99 {
        Some("latency")
    } else if came < expected * (1.0 - what.loss) {
        Some("loss")
    } else {
        None
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of seconds")]
fn told(step: &Step) -> serde_json::Value {
    json!({
        "rate_per_s": rounded(step.rate),
        "deliveries_per_s": rounded(step.span.deliveries as f64 / step.span.seconds),
        "server_cores": step.span.server_cpu.map(|cpu| rounded(cpu / step.span.seconds)),
        "generator_cores": rounded(step.span.own_cpu / step.span.seconds),
        "latency_p99_ms": step.latency.latency_p99_ms,
        "broke": step.broke,
    })
}
