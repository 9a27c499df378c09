//! Presenters show positions at an even rate; everybody else follows.

use crate::bench::args::Fanout;
use crate::bench::crowd::{Crowd, Group, Listen, Plan};
use crate::bench::pace::{Pace, nanos};
use crate::bench::report::{Latency, Report};
use crate::bench::stand::Stand;
use anyhow::{Result, ensure};
use std::ops::Range;
use std::time::Duration;

/// The last positions have this long to arrive.
const DRAIN: Duration = Duration::from_secs(3);

/// Presenters of some rooms.
pub(super) struct Presenters {
    pub(super) rooms: Range<usize>,
    pub(super) pace: Pace,
    pub(super) burst: usize,
}

/// All presenters there are.
pub(super) struct Showing(pub(super) Vec<Presenters>);

impl Plan for Showing {
    fn next(&self) -> Option<u64> {
        self.0.iter().filter_map(|some| some.pace.next()).min()
    }

    fn act(&mut self, crowd: &mut Crowd, now: u64) -> Result<()> {
        for some in &mut self.0 {
            while let Some((due, lane)) = some.pace.take(now) {
                crowd.show(some.rooms.start + lane, some.burst, due);
            }
        }
        Ok(())
    }
}

pub(super) fn run(stand: &Stand, what: Fanout, warmup: Duration, duration: Duration) -> Result<Report> {
    ensure!(what.members > 1, "a room needs somebody who follows");
    let burst = usize::from(what.burst);
    let mut crowd = stand.crowd(&[Group { rooms: what.rooms, members: what.members, keys: burst, present: true }])?;
    let everybody = 0..crowd.members.len();
    stand.assemble(&mut crowd, everybody)?;

    let begin = crowd.now();
    let (measured, end) = (begin + nanos(warmup), begin + nanos(warmup + duration));
    let pace = Pace::new(what.rooms, what.rate, begin, end);
    let mut showing = Showing(vec![Presenters { rooms: 0..what.rooms, pace, burst }]);
    crowd.run_for(&mut showing, "warm-up", measured)?;
    crowd.tally.measure(measured..end);
    let mark = stand.mark(&crowd)?;
    crowd.run_for(&mut showing, "showing", end)?;
    let span = stand.since(mark, &crowd)?;
    drain(&mut crowd)?;

    let latency = Latency::of(&crowd.tally.latency[0]);
    let report = Report::new("fanout", &crowd, stand.target, span).with_deliveries(span, span.deliveries);
    Ok(Report {
        rate_per_s: Some(what.rate),
        burst: Some(what.burst),
        sent: Some(span.sent),
        payload_bytes: Some(crowd.tally.payload),
        latency: Some(latency),
        ..report
    })
}

/// Waits for what is on its way; what does not come is lost.
pub(super) fn drain(crowd: &mut Crowd) -> Result<()> {
    let until = crowd.now() + nanos(DRAIN);
    // Looked at now and then: it means looking at everybody.
    let mut next = 0;
    crowd.run(&mut Listen, until, |crowd| {
        let now = crowd.now();
        if now < next {
            return false;
        }
        next = now + nanos(Duration::from_millis(20));
        behind(crowd) == 0
    })?;
    crowd.tally.faults.lost += behind(crowd);
    Ok(())
}

fn behind(crowd: &Crowd) -> u64 {
    let followers = crowd.members.iter().filter(|member| !member.host);
    followers.map(|member| member.followed.behind(&crowd.rooms[member.room].sent)).sum()
}
