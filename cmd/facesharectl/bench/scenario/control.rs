//! Ordered instructions with a nonce, each acknowledged when it is in the log.
//!
//! In each room one more guest comes, says that its app goes to the background and drops: it stays a member whom one can follow. The senders in turn
//! follow it and pause, so that every instruction changes something, whoever else is there.

use crate::bench::args::Control;
use crate::bench::crowd::{Crowd, Group, Listen, Plan, Stage, Target};
use crate::bench::pace::{Pace, nanos};
use crate::bench::report::{Latency, Report, rounded};
use crate::bench::stand::{Stand, settled};
use anyhow::{Result, ensure};
use faceshare_api::v1::client_frame::Instruction as Say;
use faceshare_api::v1::{CancelFollow, FollowOther, PointState, cancel_follow};
use std::time::Duration;

/// Longer than a server waits before it announces a loss.
const ANNOUNCED: Duration = Duration::from_secs(3);
const DRAIN: Duration = Duration::from_secs(10);

/// Everybody who sends, in turn.
struct Sending {
    senders: Vec<usize>,
    pace: Pace,
}

impl Plan for Sending {
    fn next(&self) -> Option<u64> {
        self.pace.next()
    }

    fn act(&mut self, crowd: &mut Crowd, now: u64) -> Result<()> {
        while let Some((due, lane)) = self.pace.take(now) {
            let sender = self.senders[lane];
            let instruction = if crowd.members[sender].said.is_multiple_of(2) {
                let anchor = crowd.rooms[crowd.members[sender].room].members.end - 1;
                Say::FollowOther(FollowOther { target: crowd.members[anchor].id })
            } else {
                Say::CancelFollow(CancelFollow { suspend: cancel_follow::Suspend::Page.into() })
            };
            crowd.instruct(sender, instruction, due);
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of minutes")]
pub(super) fn run(stand: &Stand, what: Control, warmup: Duration, duration: Duration) -> Result<Report> {
    ensure!(stand.target == Target::Faceshare, "a baseline keeps no log");
    let mut crowd = stand.crowd(&[Group { rooms: what.rooms, members: what.members + 1, keys: 1, present: false }])?;
    let senders = assemble(stand, &mut crowd, what.quiet_members)?;
    let each = if what.quiet_members { what.rate * what.members as f64 } else { what.rate };

    // Frames come before their acknowledgement: they are compared when all has come.
    let (heads, acks) = (heads(&crowd), crowd.tally.acks);
    let begin = crowd.now();
    let (measured, end) = (begin + nanos(warmup), begin + nanos(warmup + duration));
    let mut sending = Sending { pace: Pace::new(senders.len(), each, begin, end), senders };
    crowd.run_for(&mut sending, "warm-up", measured)?;
    crowd.tally.measure(measured..end);
    let mark = stand.mark(&crowd)?;
    crowd.run_for(&mut sending, "sending", end)?;
    let span = stand.since(mark, &crowd)?;
    drain(&mut crowd)?;
    let (ordered, acks) = (self::heads(&crowd) - heads, crowd.tally.acks - acks);

    let report = Report {
        members: what.members,
        rate_per_s: Some(what.rate),
        latency: Some(Latency::of(&crowd.tally.latency[0])),
        ..Report::new("control", &crowd, stand.target, span).with_deliveries(span, span.ordered)
    };
    Ok(report
        .with_each("commit", "commits", span.acks, span)
        .with("quiet_members", what.quiet_members)
        .with("frames_per_commit", rounded(ordered as f64 / acks.max(1) as f64)))
}

/// Everybody comes, and those whom the others follow go to the background; gives those who send.
fn assemble(stand: &Stand, crowd: &mut Crowd, quiet: bool) -> Result<Vec<usize>> {
    let anchors: Vec<usize> = crowd.rooms.iter().map(|room| room.members.end - 1).collect();
    let sends = |member: &usize| !anchors.contains(member) && (!quiet || crowd.members[*member].host);
    let senders: Vec<usize> = (0..crowd.members.len()).filter(sends).collect();
    let all = senders.len() + anchors.len();
    for member in senders.iter().chain(&anchors) {
        crowd.bring_one(*member, Stage::Connected);
    }
    crowd.run_until(&mut Listen, "joining", all, stand.patience, |crowd| crowd.connected)?;
    let now = crowd.now();
    for anchor in &anchors {
        crowd.instruct(*anchor, Say::PointState(PointState { background: true }), now);
    }
    crowd.run_until(&mut Listen, "parking", crowd.members.len(), stand.patience, answered)?;
    anchors.iter().for_each(|anchor| crowd.cut(*anchor));
    let announced = crowd.now() + nanos(ANNOUNCED);
    crowd.run_for(&mut Listen, "settling", announced)?;
    crowd.run_until(&mut Listen, "settling", crowd.rooms.len(), stand.patience, settled)?;
    Ok(senders)
}

fn answered(crowd: &Crowd) -> usize {
    crowd.members.iter().filter(|member| member.unanswered.is_empty()).count()
}

/// How far all logs have come, as their hosts see it.
fn heads(crowd: &Crowd) -> u64 {
    crowd.rooms.iter().map(|room| u64::from(crowd.members[room.members.start].seq)).sum()
}

/// Waits for answers and for what follows from them; what does not come is lost.
fn drain(crowd: &mut Crowd) -> Result<()> {
    let (until, members, rooms) = (crowd.now() + nanos(DRAIN), crowd.members.len(), crowd.rooms.len());
    let mut next = 0;
    crowd.run(&mut Listen, until, |crowd| {
        let now = crowd.now();
        if now < next {
            return false;
        }
        next = now + nanos(Duration::from_millis(20));
        answered(crowd) == members && settled(crowd) == rooms
    })?;
    let unanswered: usize = crowd.members.iter().map(|member| member.unanswered.len()).sum();
    crowd.tally.faults.lost += (unanswered + rooms - settled(crowd)) as u64;
    Ok(())
}
