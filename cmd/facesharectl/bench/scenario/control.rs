//! Ordered instructions with a nonce, each acknowledged when it is in the log.
//!
//! In each room one more guest joins, reports that its app is in the background, and drops its
//! connection: it stays a member that others can follow. The senders alternately follow it and
//! pause, so that every instruction changes something, whichever members are connected.

use crate::bench::args::Control;
use crate::bench::clients::{Clients, Group, MemberState, NoPlan, Plan, Target};
use crate::bench::environment::{Environment, settled};
use crate::bench::report::{Latency, Report, rounded};
use crate::bench::schedule::{Schedule, nanos};
use anyhow::{Result, ensure};
use faceshare_api::v1::client_frame::Instruction as ClientInstruction;
use faceshare_api::v1::{CancelFollow, FollowOther, PointState, cancel_follow};
use std::time::Duration;

/// Longer than a server waits before it announces a lost member.
const ANNOUNCED: Duration = Duration::from_secs(3);
const DRAIN: Duration = Duration::from_secs(10);

/// All senders, round-robin.
struct SendPlan {
    senders: Vec<usize>,
    schedule: Schedule,
}

impl Plan for SendPlan {
    fn next(&self) -> Option<u64> {
        self.schedule.next()
    }

    fn act(&mut self, clients: &mut Clients, now: u64) -> Result<()> {
        while let Some((due, lane)) = self.schedule.take_due(now) {
            let sender = self.senders[lane];
            let instruction = if clients.members[sender].last_instruction.is_multiple_of(2) {
                let anchor = clients.rooms[clients.members[sender].room].members.end - 1;
                ClientInstruction::FollowOther(FollowOther {
                    target: clients.members[anchor].id,
                })
            } else {
                ClientInstruction::CancelFollow(CancelFollow {
                    suspend: cancel_follow::Suspend::Page.into(),
                })
            };
            clients.send_instruction(sender, instruction, due);
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of minutes")]
pub(super) fn run(
    environment: &Environment,
    what: Control,
    warmup: Duration,
    duration: Duration,
) -> Result<Report> {
    ensure!(
        environment.target == Target::Faceshare,
        "a baseline keeps no log"
    );
    let mut clients = environment.clients(&[Group {
        rooms: what.rooms,
        members: what.members + 1,
        keys: 1,
        present: false,
    }])?;
    let senders = assemble(environment, &mut clients, what.quiet_members)?;
    let each = if what.quiet_members {
        what.rate * what.members as f64
    } else {
        what.rate
    };

    // Frames come before their acknowledgement: they are compared after everything has arrived.
    let (heads, acks) = (heads(&clients), clients.measurements.acks);
    let begin = clients.now();
    let (measured, end) = (begin + nanos(warmup), begin + nanos(warmup + duration));
    let mut plan = SendPlan {
        schedule: Schedule::new(senders.len(), each, begin, end),
        senders,
    };
    clients.run_for(&mut plan, "warm-up", measured)?;
    clients.measurements.measure(measured..end);
    let snapshot = environment.snapshot(&clients)?;
    clients.run_for(&mut plan, "sending", end)?;
    let interval = environment.since(snapshot, &clients)?;
    drain(&mut clients)?;
    let (ordered, acks) = (
        self::heads(&clients) - heads,
        clients.measurements.acks - acks,
    );

    let report = Report {
        members: what.members,
        rate_per_s: Some(what.rate),
        latency: Some(Latency::of(&clients.measurements.latency[0])),
        ..Report::new("control", &clients, environment.target, interval)
            .with_deliveries(interval, interval.ordered)
    };
    Ok(report
        .with_each("commit", "commits", interval.acks, interval)
        .with("quiet_members", what.quiet_members)
        .with(
            "frames_per_commit",
            rounded(ordered as f64 / acks.max(1) as f64),
        ))
}

/// Connects all members, and sends those that the others follow to the background; returns the
/// senders.
fn assemble(environment: &Environment, clients: &mut Clients, quiet: bool) -> Result<Vec<usize>> {
    let anchors: Vec<usize> = clients
        .rooms
        .iter()
        .map(|room| room.members.end - 1)
        .collect();
    let sends =
        |member: &usize| !anchors.contains(member) && (!quiet || clients.members[*member].host);
    let senders: Vec<usize> = (0..clients.members.len()).filter(sends).collect();
    let all = senders.len() + anchors.len();
    for member in senders.iter().chain(&anchors) {
        clients.advance_one(*member, MemberState::Connected);
    }
    clients.run_until(
        &mut NoPlan,
        "joining",
        all,
        environment.patience,
        |clients| clients.connected,
    )?;
    let now = clients.now();
    for anchor in &anchors {
        clients.send_instruction(
            *anchor,
            ClientInstruction::PointState(PointState { background: true }),
            now,
        );
    }
    clients.run_until(
        &mut NoPlan,
        "parking",
        clients.members.len(),
        environment.patience,
        answered,
    )?;
    anchors
        .iter()
        .for_each(|anchor| clients.drop_connection(*anchor));
    let announced = clients.now() + nanos(ANNOUNCED);
    clients.run_for(&mut NoPlan, "settling", announced)?;
    clients.run_until(
        &mut NoPlan,
        "settling",
        clients.rooms.len(),
        environment.patience,
        settled,
    )?;
    Ok(senders)
}

fn answered(clients: &Clients) -> usize {
    clients
        .members
        .iter()
        .filter(|member| member.unanswered.is_empty())
        .count()
}

/// The sum of the logs' head seqs, as their hosts have received them.
fn heads(clients: &Clients) -> u64 {
    clients
        .rooms
        .iter()
        .map(|room| u64::from(clients.members[room.members.start].seq))
        .sum()
}

/// Waits for answers and their effects; what does not arrive counts as lost.
fn drain(clients: &mut Clients) -> Result<()> {
    let (until, members, rooms) = (
        clients.now() + nanos(DRAIN),
        clients.members.len(),
        clients.rooms.len(),
    );
    let mut next = 0;
    clients.run(&mut NoPlan, until, |clients| {
        let now = clients.now();
        if now < next {
            return false;
        }
        next = now + nanos(Duration::from_millis(20));
        answered(clients) == members && settled(clients) == rooms
    })?;
    let unanswered: usize = clients
        .members
        .iter()
        .map(|member| member.unanswered.len())
        .sum();
    clients.measurements.faults.lost += (unanswered + rooms - settled(clients)) as u64;
    Ok(())
}
