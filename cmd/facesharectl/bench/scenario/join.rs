//! People come by the number code, at an even rate, into sessions whose hosts are there.

use crate::bench::args::Join;
use crate::bench::crowd::{Crowd, Group, Listen, Plan, Stage};
use crate::bench::pace::{Pace, nanos};
use crate::bench::report::{Latency, Report};
use crate::bench::stand::{Stand, settled};
use anyhow::{Result, ensure};
use std::time::Duration;

/// Lets each of `who` begin when it is due.
pub(super) struct Coming {
    pub(super) who: Vec<usize>,
    pub(super) pace: Pace,
    pub(super) next: usize,
}

impl Plan for Coming {
    fn next(&self) -> Option<u64> {
        if self.next < self.who.len() { self.pace.next() } else { None }
    }

    fn act(&mut self, crowd: &mut Crowd, now: u64) -> Result<()> {
        while let Some(member) = self.who.get(self.next) {
            let Some((due, _)) = self.pace.take(now) else { break };
            self.next += 1;
            crowd.members[*member].due = Some(due);
            crowd.bring_one(*member, Stage::Connected);
            crowd.tally.late(due, now);
        }
        Ok(())
    }
}

pub(super) fn run(stand: &Stand, what: Join) -> Result<Report> {
    ensure!(what.members > 1, "a room needs somebody who comes");
    let mut crowd = stand.crowd(&[Group { rooms: what.rooms, members: what.members, keys: 1, present: false }])?;
    // Guests are people already; what is measured begins with the code.
    let hosts: Vec<usize> = crowd.rooms.iter().map(|room| room.members.start).collect();
    crowd.bring(0..crowd.members.len(), Stage::Guest);
    hosts.iter().for_each(|host| crowd.bring_one(*host, Stage::Connected));
    let ready =
        |crowd: &Crowd| crowd.members.iter().filter(|one| one.stage >= if one.host { Stage::Connected } else { Stage::Guest }).count();
    let all = crowd.members.len();
    crowd.run_until(&mut Listen, "gathering", all, stand.patience, ready)?;

    // Room by room in turn, as people come to a house.
    let who: Vec<usize> = (1..what.members).flat_map(|place| hosts.iter().map(move |host| host + place)).collect();
    let joins = who.len();
    let begin = crowd.now() + nanos(Duration::from_millis(100));
    let mut coming = Coming { who, pace: Pace::new(1, what.rate, begin, u64::MAX), next: 0 };
    crowd.tally.measure(0..u64::MAX);
    let mark = stand.mark(&crowd)?;
    crowd.run_until(&mut coming, "joining", all, stand.patience, |crowd| crowd.connected)?;
    crowd.run_until(&mut Listen, "settling", what.rooms, stand.patience, settled)?;
    let span = stand.since(mark, &crowd)?;
    let report = Report {
        rate_per_s: Some(what.rate),
        latency: Some(Latency::of(&crowd.tally.latency[0])),
        ..Report::new("join", &crowd, stand.target, span)
    };
    Ok(report.with_each("join", "joins", joins as u64, span))
}
