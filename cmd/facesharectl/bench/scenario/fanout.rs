//! Presenters send positions at an even rate; all others follow.

use crate::bench::args::Fanout;
use crate::bench::clients::{Clients, Group, NoPlan, Plan};
use crate::bench::environment::Environment;
use crate::bench::report::{Latency, Report};
use crate::bench::schedule::{Schedule, nanos};
use anyhow::{Result, ensure};
use std::ops::Range;
use std::time::Duration;

/// How long the last positions may take to arrive.
const DRAIN: Duration = Duration::from_secs(3);

/// The presenters of some rooms.
pub(super) struct Presenters {
    pub(super) rooms: Range<usize>,
    pub(super) schedule: Schedule,
    pub(super) burst: usize,
}

/// All presenters.
pub(super) struct PresentPlan(pub(super) Vec<Presenters>);

impl Plan for PresentPlan {
    fn next(&self) -> Option<u64> {
        self.0.iter().filter_map(|some| some.schedule.next()).min()
    }

    fn act(&mut self, clients: &mut Clients, now: u64) -> Result<()> {
        for some in &mut self.0 {
            while let Some((due, lane)) = some.schedule.take_due(now) {
                clients.send_positions(some.rooms.start + lane, some.burst, due);
            }
        }
        Ok(())
    }
}

pub(super) fn run(
    environment: &Environment,
    what: Fanout,
    warmup: Duration,
    duration: Duration,
) -> Result<Report> {
    ensure!(what.members > 1, "a room needs at least one follower");
    let burst = usize::from(what.burst);
    let mut clients = environment.clients(&[Group {
        rooms: what.rooms,
        members: what.members,
        keys: burst,
        present: true,
    }])?;
    let all = 0..clients.members.len();
    environment.assemble(&mut clients, all)?;

    let begin = clients.now();
    let (measured, end) = (begin + nanos(warmup), begin + nanos(warmup + duration));
    let schedule = Schedule::new(what.rooms, what.rate, begin, end);
    let mut plan = PresentPlan(vec![Presenters {
        rooms: 0..what.rooms,
        schedule,
        burst,
    }]);
    clients.run_for(&mut plan, "warm-up", measured)?;
    clients.measurements.measure(measured..end);
    let snapshot = environment.snapshot(&clients)?;
    clients.run_for(&mut plan, "sending", end)?;
    let interval = environment.since(snapshot, &clients)?;
    drain(&mut clients)?;

    let latency = Latency::of(&clients.measurements.latency[0]);
    let report = Report::new("fanout", &clients, environment.target, interval)
        .with_deliveries(interval, interval.deliveries);
    Ok(Report {
        rate_per_s: Some(what.rate),
        burst: Some(what.burst),
        sent: Some(interval.sent),
        payload_bytes: Some(clients.measurements.payload),
        latency: Some(latency),
        ..report
    })
}

/// Waits for positions that are under way; what does not arrive counts as lost.
pub(super) fn drain(clients: &mut Clients) -> Result<()> {
    let until = clients.now() + nanos(DRAIN);
    // Checked at intervals, because it visits every member.
    let mut next = 0;
    clients.run(&mut NoPlan, until, |clients| {
        let now = clients.now();
        if now < next {
            return false;
        }
        next = now + nanos(Duration::from_millis(20));
        behind(clients) == 0
    })?;
    clients.measurements.faults.lost += behind(clients);
    Ok(())
}

fn behind(clients: &Clients) -> u64 {
    let followers = clients.members.iter().filter(|member| !member.host);
    followers
        .map(|member| member.received.behind(&clients.rooms[member.room].sent))
        .sum()
}
