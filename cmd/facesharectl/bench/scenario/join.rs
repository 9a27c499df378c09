//! Clients join with the number code, at an even rate, sessions whose hosts are connected.

use crate::bench::args::Join;
use crate::bench::clients::{Clients, Group, MemberState, NoPlan, Plan};
use crate::bench::environment::{Environment, settled};
use crate::bench::report::{Latency, Report};
use crate::bench::schedule::{Schedule, nanos};
use anyhow::{Result, ensure};
use std::time::Duration;

/// Starts each of `members` when it is due.
pub(super) struct ArrivalPlan {
    pub(super) members: Vec<usize>,
    pub(super) schedule: Schedule,
    pub(super) next: usize,
}

impl Plan for ArrivalPlan {
    fn next(&self) -> Option<u64> {
        if self.next < self.members.len() {
            self.schedule.next()
        } else {
            None
        }
    }

    fn act(&mut self, clients: &mut Clients, now: u64) -> Result<()> {
        while let Some(member) = self.members.get(self.next) {
            let Some((due, _)) = self.schedule.take_due(now) else {
                break;
            };
            self.next += 1;
            clients.members[*member].due = Some(due);
            clients.advance_one(*member, MemberState::Connected);
            clients.measurements.record_lateness(due, now);
        }
        Ok(())
    }
}

pub(super) fn run(environment: &Environment, what: Join) -> Result<Report> {
    ensure!(
        what.members > 1,
        "a room needs at least one member besides the host"
    );
    let mut clients = environment.clients(&[Group {
        rooms: what.rooms,
        members: what.members,
        keys: 1,
        present: false,
    }])?;
    // Guest accounts are created before; the measurement begins with the code.
    let hosts: Vec<usize> = clients
        .rooms
        .iter()
        .map(|room| room.members.start)
        .collect();
    clients.advance(0..clients.members.len(), MemberState::Guest);
    hosts
        .iter()
        .for_each(|host| clients.advance_one(*host, MemberState::Connected));
    let ready = |clients: &Clients| {
        clients
            .members
            .iter()
            .filter(|one| {
                one.state
                    >= if one.host {
                        MemberState::Connected
                    } else {
                        MemberState::Guest
                    }
            })
            .count()
    };
    let all = clients.members.len();
    clients.run_until(&mut NoPlan, "gathering", all, environment.patience, ready)?;

    // Round-robin over the rooms, as people arrive in practice.
    let members: Vec<usize> = (1..what.members)
        .flat_map(|index| hosts.iter().map(move |host| host + index))
        .collect();
    let joins = members.len();
    let begin = clients.now() + nanos(Duration::from_millis(100));
    let mut plan = ArrivalPlan {
        members,
        schedule: Schedule::new(1, what.rate, begin, u64::MAX),
        next: 0,
    };
    clients.measurements.measure(0..u64::MAX);
    let snapshot = environment.snapshot(&clients)?;
    clients.run_until(&mut plan, "joining", all, environment.patience, |clients| {
        clients.connected
    })?;
    clients.run_until(
        &mut NoPlan,
        "settling",
        what.rooms,
        environment.patience,
        settled,
    )?;
    let interval = environment.since(snapshot, &clients)?;
    let report = Report {
        rate_per_s: Some(what.rate),
        latency: Some(Latency::of(&clients.measurements.latency[0])),
        ..Report::new("join", &clients, environment.target, interval)
    };
    Ok(report.with_each("join", "joins", joins as u64, interval))
}
