//! Many quiet sessions, first alone and then beside a large busy one: what they notice of it.

use super::fanout::{Presenters, Showing, drain};
use crate::bench::args::Fairness;
use crate::bench::crowd::{Crowd, Group};
use crate::bench::pace::{Pace, nanos};
use crate::bench::report::{Latency, Report};
use crate::bench::stand::{Span, Stand};
use anyhow::{Result, ensure};
use std::time::Duration;

pub(super) fn run(stand: &Stand, what: Fairness, warmup: Duration, duration: Duration) -> Result<Report> {
    ensure!(what.members > 1 && what.quiet_members > 1, "a room needs somebody who follows");
    let quiet = Group { rooms: what.quiet_rooms, members: what.quiet_members, keys: 1, present: true };
    let busy = Group { rooms: 1, members: what.members, keys: 1, present: true };
    let mut crowd = stand.crowd(&[quiet, busy])?;
    let everybody = 0..crowd.members.len();
    stand.assemble(&mut crowd, everybody)?;

    show(stand, &mut crowd, what, false, warmup, duration)?;
    let alone = Latency::of(&crowd.tally.latency[0]);
    let span = show(stand, &mut crowd, what, true, warmup, duration)?;
    let (quiet, busy) = (Latency::of(&crowd.tally.latency[0]), Latency::of(&crowd.tally.latency[1]));
    let report = Report::new("fairness", &crowd, stand.target, span).with_deliveries(span, span.deliveries);
    let report = Report { rate_per_s: Some(what.rate), members: what.members, sent: Some(span.sent), ..report };
    let report = [("quiet_alone", alone), ("quiet", quiet), ("busy", busy)].into_iter().fold(report, |report, (whose, latency)| {
        report
            .with(&format!("{whose}_latency_p50_ms"), latency.latency_p50_ms)
            .with(&format!("{whose}_latency_p99_ms"), latency.latency_p99_ms)
            .with(&format!("{whose}_latency_p999_ms"), latency.latency_p999_ms)
            .with(&format!("{whose}_latency_max_ms"), latency.latency_max_ms)
    });
    Ok(report.with("quiet_rooms", what.quiet_rooms).with("quiet_members", what.quiet_members).with("quiet_rate_per_s", what.quiet_rate))
}

fn show(stand: &Stand, crowd: &mut Crowd, what: Fairness, with_busy: bool, warmup: Duration, duration: Duration) -> Result<Span> {
    let begin = crowd.now();
    let (measured, end) = (begin + nanos(warmup), begin + nanos(warmup + duration));
    let rooms = what.quiet_rooms;
    let mut showing = Showing(vec![Presenters { rooms: 0..rooms, pace: Pace::new(rooms, what.quiet_rate, begin, end), burst: 1 }]);
    if with_busy {
        showing.0.push(Presenters { rooms: rooms..rooms + 1, pace: Pace::new(1, what.rate, begin, end), burst: 1 });
    }
    crowd.run_for(&mut showing, "warm-up", measured)?;
    crowd.tally.measure(measured..end);
    let mark = stand.mark(crowd)?;
    crowd.run_for(&mut showing, if with_busy { "together" } else { "alone" }, end)?;
    let span = stand.since(mark, crowd)?;
    drain(crowd)?;
    Ok(span)
}
